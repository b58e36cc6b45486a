import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Change, stepOf, strangers } from "../../../operator/changes.ts";

const VOLUME = "docker:index/volume:Volume";
const BOX = "docker:index/container:Container";
const change = (type: string, name: string, op = "create"): Change => ({
  urn: `urn:pulumi:dev::semail::semail:index:Mailbox$${type}::${name}`,
  type,
  op,
});

const table: { change: Change; strange: boolean; step?: string }[] = [
  { change: change(VOLUME, "person-bob-mail"), strange: false, step: "volume" },
  { change: change(BOX, "person-bob-box", "delete"), strange: false, step: "container" },
  {
    change: change("pulumi-nodejs:dynamic/semail:LdapEntry", "person-bob-entry", "update"),
    strange: false,
    step: "entry",
  },
  { change: change("semail:index:Mailbox", "person-bob"), strange: false },
  { change: change("semail:index:Mailbox", "kept-bob"), strange: false },
  { change: change("semail:index:Mailbox", "kept-bob_2", "delete"), strange: false },
  { change: change(VOLUME, "person-bob_2-mail"), strange: false, step: "volume" },
  { change: change("pulumi:pulumi:Stack", "semail-dev", "update"), strange: false },
  { change: change("pulumi:pulumi:Stack", "semail-dev", "create"), strange: true },
  { change: change("pulumi:providers:pulumi-nodejs", "default", "update"), strange: false },
  { change: change("pulumi:providers:docker", "host-engine", "update"), strange: true },
  { change: change(BOX, "mail-smtp-in", "same"), strange: false },
  { change: change(BOX, "mail-smtp-in", "replace"), strange: true },
  // uids may hold what names are made of.
  { change: change("semail:index:Mailbox", "person-bob-box"), strange: true },
  { change: change(BOX, "person-bob-box-box"), strange: true },
  { change: change(BOX, "person-alice-box", "update"), strange: true },
  { change: change(VOLUME, "person-bob-box"), strange: true },
  { change: change(VOLUME, "kept-bob-mail"), strange: true },
  { change: change("semail:index:Mailbox", "kept-alice"), strange: true },
  { change: change("semail:index:Mailbox", "kept-bobby"), strange: true },
  { change: change("pulumi-nodejs:dynamic/semail:DiscardedVolume", "discarded-bob"), strange: true },
];

describe("a change of the stack", () => {
  for (const { change: one, strange, step } of table) {
    it(`${one.op} of ${one.type} ${one.urn.split("::").at(-1)} is ${strange ? "another's" : "bob's"}`, () => {
      assert.equal(strangers("bob", [one]).length, strange ? 1 : 0);
      assert.equal(stepOf("bob", one), step);
    });
  }
});
