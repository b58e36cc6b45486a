/** What becomes of the limit of a box's disk while mail is put back into it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BoxDisk,
  limitAgain,
  parseNote,
  withoutLimit,
} from "../../../tools/bootstrap/backup/disk-limit.ts";
import type { InForce, Limit } from "../../../tools/docker-plugin/limit-disk.ts";

const LIMIT: InForce = { limited: true, kib: 3_407_872, files: 589_000 };
const NONE: InForce = { limited: true, kib: 0, files: 0 };

/** A file system with that limit, and all that happens to it. Everything stops before step `killed`, as when a process ends. */
function fileSystem(inForce: InForce | undefined, before?: Limit) {
  const done: string[] = [];
  let [now, noted, left] = [inForce, before, Number.POSITIVE_INFINITY];
  const step = async (what?: string) => {
    left -= 1;
    if (left < 0) throw new Error("killed");
    if (what !== undefined) done.push(what);
  };
  const disk: BoxDisk = {
    async limit(limit) {
      await step(limit ? `${limit.kib} ${limit.files}` : "look");
      if (limit && now?.limited) now = { limited: true, ...limit };
      return now;
    },
    async noted() {
      await step();
      return noted;
    },
    async note(limit) {
      // It takes the place of one that was there.
      await step();
      noted = undefined;
      await step();
      noted = limit;
    },
    async forget() {
      await step();
      noted = undefined;
    },
  };
  const work = () => step("work");
  const run = (killed = Number.POSITIVE_INFINITY) => {
    left = killed;
    return withoutLimit(disk, work);
  };
  return {
    ...{ done, disk, work, run },
    update: (limit: InForce) => {
      now = limit;
    },
    get state() {
      return { now, noted };
    },
    revive: () => {
      left = Number.POSITIVE_INFINITY;
    },
  };
}

const ROWS: readonly (readonly [what: string, inForce: InForce | undefined, done: readonly string[]])[] = [
  ["is away meanwhile, and what it was afterwards", LIMIT, ["look", "0 0", "work", "look", "3407872 589000"]],
  ["is none where nobody set one", NONE, ["look", "work"]],
  ["is none where there are no quotas", { limited: false, why: "none" }, ["look", "work"]],
  ["is left alone where the guard is gone", undefined, ["look", "work"]],
];
const GOOD = { now: LIMIT, noted: undefined };

describe("while mail is put back, the limit of a box's disk", () => {
  for (const [what, inForce, expected] of ROWS) {
    it(what, async () => {
      const { done, run } = fileSystem(inForce);
      await run();
      assert.deepEqual(done, expected);
    });
  }

  it("is set again when that fails, which is what is told", async () => {
    const system = fileSystem(LIMIT);
    const failing = withoutLimit(system.disk, () => Promise.reject(new Error("no such snapshot")));
    await assert.rejects(failing, /no such snapshot/);
    assert.deepEqual(system.state, GOOD);
  });

  for (let killed = 0; killed < 11; killed += 1) {
    it(`is what it was after all that follows one that was killed at step ${killed}`, async () => {
      for (const follow of ["a repeat", "an update"] as const) {
        const system = fileSystem(LIMIT);
        await system.run(killed).catch((error: unknown) => assert.match(String(error), /killed/));
        system.revive();
        await (follow === "a repeat" ? system.run() : limitAgain(system.disk));
        assert.deepEqual(system.state, GOOD, follow);
      }
    });
  }

  it("is the update's, where one set it after a restore that was cut off", async () => {
    for (const follow of ["a repeat", "an update"] as const) {
      const system = fileSystem(LIMIT);
      await assert.rejects(system.run(5), /killed/);
      assert.deepEqual(system.state.now, NONE);
      system.revive();
      const changed: InForce = { limited: true, kib: 5, files: 7 };
      system.update(changed);
      await (follow === "a repeat" ? system.run() : limitAgain(system.disk));
      assert.deepEqual(system.state, { now: changed, noted: undefined }, follow);
    }
  });

  it("stays noted while nobody can set it", async () => {
    const noted = { kib: 1, files: 2 };
    for (const inForce of [undefined, { limited: false, why: "limit-disk ended with 1: " } as const]) {
      const system = fileSystem(inForce, noted);
      assert.equal(await limitAgain(system.disk), false);
      assert.deepEqual(system.state.noted, noted);
    }
  });

  it("is read from a note, and from nothing else", () => {
    const limit = { kib: 3_407_872, files: 589_000 };
    const note = (text: string) => parseNote({ "io.semail.limit": text });
    assert.deepEqual(note("1900000123 3407872 589000"), { user: 1_900_000_123, limit });
    for (const labels of [undefined, null, {}]) assert.equal(parseNote(labels), undefined);
    for (const text of ["", "1 2", "1 2 x", "1 2 3 4"]) assert.equal(note(text), undefined, text);
  });
});
