import assert from "node:assert/strict";
import { test } from "node:test";
import { absentOf, describeAbsent } from "../../../tools/bootstrap/absent.ts";

const resource = (kind: string, name: string, inputs: Record<string, unknown> = {}) => ({
  urn: `urn:${name}`,
  type: `docker:index/${kind}:${kind[0]?.toUpperCase()}${kind.slice(1)}`,
  id: `id-${name}`,
  inputs: { name, ...inputs },
});

const state = {
  checkpoint: {
    latest: {
      resources: [
        resource("container", "access"),
        resource("container", "box"),
        resource("container", "gone"),
        resource("container", "settings", { start: false }),
        resource("network", "front"),
        resource("volume", "mail"),
        { urn: "urn:entry", type: "pulumi-nodejs:dynamic/semail:LdapEntry", id: "uid=alice" },
        { urn: "urn:host", type: "semail:index:MailHost" },
      ],
    },
  },
};

test("what runs as the state says is not absent; entries and components are not the engine's", () => {
  const present = new Map([
    ["id-access", true],
    ["id-box", true],
    ["id-gone", true],
    ["id-settings", false],
    ["id-front", true],
    ["mail", true],
  ]);
  assert.deepEqual(absentOf(state, present), []);
});

test("stopped and removed things are told apart, by name", () => {
  const absent = absentOf(
    state,
    new Map([
      ["id-access", false],
      ["id-box", true],
      ["id-settings", false],
    ]),
  );
  assert.equal(describeAbsent(absent), "access stopped, gone gone, front gone, mail gone");
  assert.deepEqual(
    absent.map(({ urn }) => urn),
    ["urn:access", "urn:gone", "urn:front", "urn:mail"],
  );
});

test("a stack that was never updated lacks nothing", () => {
  assert.deepEqual(absentOf({ checkpoint: { latest: null } }, new Map()), []);
});
