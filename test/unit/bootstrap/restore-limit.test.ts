/** What becomes of the limit of a box's disk while mail is put back into it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutLimit } from "../../../tools/bootstrap/backup/box.ts";
import type { InForce, Limit } from "../../../tools/docker-plugin/limit-disk.ts";

const LIMIT: InForce = { limited: true, kib: 3_407_872, files: 589_000 };

/** A file system with that limit, and all that happens to it. */
function fileSystem(inForce: InForce | undefined) {
  const done: string[] = [];
  const boxLimit = async (limit?: Limit) => {
    done.push(limit ? `${limit.kib} ${limit.files}` : "look");
    return inForce;
  };
  const work = async () => void done.push("work");
  return { done, boxLimit, work };
}

const ROWS: readonly (readonly [what: string, inForce: InForce | undefined, done: readonly string[]])[] = [
  ["is away meanwhile, and what it was afterwards", LIMIT, ["look", "0 0", "work", "3407872 589000"]],
  ["is none where nobody set one", { limited: true, kib: 0, files: 0 }, ["look", "work"]],
  ["is none where there are no quotas", { limited: false, why: "none" }, ["look", "work"]],
  ["is left alone where the guard is gone", undefined, ["look", "work"]],
];

describe("while mail is put back, the limit of a box's disk", () => {
  for (const [what, inForce, expected] of ROWS) {
    it(what, async () => {
      const { done, boxLimit, work } = fileSystem(inForce);
      await withoutLimit(boxLimit, work);
      assert.deepEqual(done, expected);
    });
  }

  it("is set again when that fails", async () => {
    const { done, boxLimit } = fileSystem(LIMIT);
    const failing = withoutLimit(boxLimit, () => Promise.reject(new Error("no such snapshot")));
    await assert.rejects(failing, /no such snapshot/);
    assert.equal(done.at(-1), "3407872 589000");
  });
});
