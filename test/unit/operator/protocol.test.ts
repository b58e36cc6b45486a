import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PersonRequest } from "../../../mailserver/operator/protocol.ts";

const refused: { name: string; value: unknown }[] = [
  { name: "an unknown kind", value: { kind: "destroy", uid: "alice" } },
  { name: "a key that isn't known", value: { kind: "delete", uid: "alice", config: { protect: false } } },
  { name: "config keys in an update", value: { kind: "update", uid: "alice", quota: "1TB" } },
  { name: "a uid with a path in it", value: { kind: "delete", uid: "../bob" } },
  { name: "a uid that is a property of every object", value: { kind: "delete", uid: "__proto__" } },
  { name: "an address of two lines", value: { kind: "create", uid: "a", address: "a@b.c\n  quota: 1TB" } },
  { name: "an address without a domain", value: { kind: "create", uid: "a", address: "alice" } },
  { name: "a long address", value: { kind: "create", uid: "a", address: `${"a".repeat(260)}@b.test` } },
  { name: "a forward that is no text", value: { kind: "update", uid: "a", forward: 5 } },
  {
    name: "more aliases than anybody has",
    value: { kind: "update", uid: "a", aliases: Array(101).fill("a@b.c") },
  },
];

describe("the operator's protocol", () => {
  for (const { name, value } of refused) {
    it(`refuses ${name}`, () => assert.equal(PersonRequest.safeParse(value).success, false));
  }

  it("takes an address as the config writes it: in lower case", () => {
    const taken = PersonRequest.parse({ kind: "create", uid: "alice", address: " Alice@Semail.TEST " });
    assert.deepEqual(taken, { kind: "create", uid: "alice", address: "alice@semail.test" });
  });

  it("tells a forward that goes from one that stays", () => {
    assert.deepEqual(PersonRequest.parse({ kind: "update", uid: "a", forward: null }), {
      kind: "update",
      uid: "a",
      forward: null,
    });
    assert.deepEqual(PersonRequest.parse({ kind: "update", uid: "a" }), { kind: "update", uid: "a" });
  });
});
