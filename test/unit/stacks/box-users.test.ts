import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boxUsers } from "../../../stacks/box-users.ts";

const people = (count: number) => Array.from({ length: count }, (_, index) => `user${index}`);

describe("user ids of boxes", () => {
  it("differ, even where the first choice is taken, and are nobody's on a host with systemd", () => {
    // Among so many, some dozens choose the same at first.
    const ids = [...boxUsers("semail-prod", people(150_000)).values()];
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.ok(id >= 1_879_048_192 && id <= 2_147_352_575, String(id));
  });

  it("stay as people come and go, whatever their order", () => {
    const all = boxUsers("semail-prod", people(400));
    const fewer = boxUsers("semail-prod", people(200).toReversed());
    for (const [uid, id] of fewer) assert.equal(all.get(uid), id);
  });

  it("differ from stack to stack", () => {
    assert.notEqual(
      boxUsers("semail-prod", ["alice"]).get("alice"),
      boxUsers("semail-dev", ["alice"]).get("alice"),
    );
  });
});
