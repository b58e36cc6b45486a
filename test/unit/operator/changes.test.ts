import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Change, changesTheirs, stepOf } from "../../../operator/changes.ts";
import { targetsOf } from "../../../stacks/mailbox-resources.ts";

const VOLUME = "docker:index/volume:Volume";
const BOX = "docker:index/container:Container";
const LIMIT = "pulumi-nodejs:dynamic/semail:DiskLimit";
const ENTRY = "pulumi-nodejs:dynamic/semail:LdapEntry";
const HOLDER = "semail:index:Mailbox";
const change = (type: string, name: string, op = "create"): Change => ({
  urn: `urn:pulumi:dev::semail::${type === HOLDER ? "" : `${HOLDER}$`}${type}::${name}`,
  op,
});

/** As Pulumi reads a target: `*` is anything but a colon. */
const isTarget = (uid: string, urn: string): boolean =>
  targetsOf(uid).some((target) => {
    const literal = target.split("*").map((part) => part.replaceAll(/[$.:/]/g, "\\$&"));
    return new RegExp(`^${literal.join("[^:]*")}$`).test(urn);
  });

interface Row {
  readonly change: Change;
  /** Whether an update for bob may change it. */
  readonly his: boolean;
  readonly step?: string;
}

const table: Row[] = [
  { change: change(VOLUME, "person-bob-mail"), his: true, step: "volume" },
  { change: change(BOX, "person-bob-box", "delete"), his: true, step: "container" },
  { change: change(ENTRY, "person-bob-entry", "update"), his: true, step: "entry" },
  { change: change(LIMIT, "person-bob-disk"), his: true, step: "volume" },
  { change: change(HOLDER, "person-bob"), his: true },
  { change: change(HOLDER, "kept-bob"), his: true },
  { change: change(HOLDER, "kept-bob_2", "delete"), his: true },
  { change: change(VOLUME, "person-bob_2-mail"), his: true, step: "volume" },
  { change: change("pulumi:pulumi:Stack", "semail-dev", "update"), his: false },
  { change: change("pulumi:providers:docker", "host-engine", "update"), his: false },
  { change: change(BOX, "mail-smtp-in", "replace"), his: false },
  // uids may hold what names are made of.
  { change: change(HOLDER, "person-bob-box"), his: false },
  { change: change(BOX, "person-bob-box-box"), his: false },
  { change: change(ENTRY, "person-bob-box-entry"), his: false },
  { change: change(BOX, "person-alice-box", "update"), his: false },
  { change: change(VOLUME, "person-bob-box"), his: false },
  { change: change(LIMIT, "person-alice-disk", "update"), his: false },
  { change: change(VOLUME, "person-bob-box-mail"), his: false },
  { change: change(VOLUME, "kept-bob-mail"), his: false },
  { change: change(HOLDER, "kept-alice"), his: false },
  { change: change(HOLDER, "kept-bobby"), his: false },
  { change: change("pulumi-nodejs:dynamic/semail:DiscardedVolume", "discarded-bob"), his: false },
];

describe("a change of the stack", () => {
  for (const { change: one, his, step } of table) {
    it(`${one.op} of ${one.urn.split("::").slice(2).join(" ")} is ${his ? "bob's" : "another's"}`, () => {
      assert.equal(isTarget("bob", one.urn), his);
      assert.equal(stepOf("bob", one), step);
      assert.equal(changesTheirs("bob", one), step !== undefined);
      assert.equal(changesTheirs("bob", { ...one, op: "same" }), false);
    });
  }
});
