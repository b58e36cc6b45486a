/** A disk that gets full in the middle of a write, played by a limit on the size of files. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { execa } from "execa";
import { create, FILE, isRefusal, noAnswer, setUp } from "./support.ts";

const JOURNAL = new URL("../../../operator/journal.ts", import.meta.url).href;
const NAME = "f".repeat(32);
/** How a long text is written to `folder`, as code for a process of its own: the limit is for all that it writes. */
const WRITERS: Record<string, string> = {
  "the stack file": `writeDurably(join(folder, "${NAME}.json"), text)`,
  "a journal entry": `
    const entry = newEntry("${NAME}", { kind: "restart", uid: "bob" }, 0);
    entry.view.error = { code: "update-failed", detail: text };
    openJournal(folder).save(entry)`,
};

describe("a disk that gets full in the middle of a write", () => {
  for (const [name, code] of Object.entries(WRITERS)) {
    it(`is an error, and leaves ${name} as it was`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "semail-full-"));
      t.after(() => rm(folder, { recursive: true }));
      await writeFile(join(folder, `${NAME}.json`), "before");
      const script = `
        import { join } from "node:path";
        import { newEntry, openJournal, writeDurably } from ${JSON.stringify(JOURNAL)};
        const folder = ${JSON.stringify(folder)};
        const text = "x".repeat(200_000);
        try { ${code}; console.log("written"); } catch (error) { console.log(error.code); }`;
      // A write across the limit (blocks of 512 bytes) is cut off there, and only the next one fails: setrlimit(2).
      const { stdout } = await execa("sh", [
        ...["-c", 'ulimit -f 128; exec "$0" "$@"', process.execPath, "--disable-warning=ExperimentalWarning"],
        ...["--input-type=module", "--eval", script],
      ]);
      assert.equal(stdout, "EFBIG");
      assert.deepEqual(await readdir(folder), [`${NAME}.json`]);
      assert.equal(await readFile(join(folder, `${NAME}.json`), "utf8"), "before");
    });
  }
});

interface Trouble {
  readonly from: number;
  readonly failing: number;
  during(update: number): void;
}

describe("an operator whose disk is full", () => {
  const ENOSPC = new Error("ENOSPC: no space left on device, write");
  /** Asks; from its note of that number on so many fail, and each is waited for. The first is of the asking itself. */
  async function asked(t: TestContext, { from, failing, during }: Trouble) {
    const all = await setUp(t);
    const { operator, played } = all;
    let saves = -1;
    let left = failing;
    played.during = during;
    played.onSave = () => {
      saves += 1;
      if (saves <= from || left === 0) return;
      left -= 1;
      throw ENOSPC;
    };
    const id = operator.submit(create);
    const seen: string[] = [];
    for await (const view of operator.watch(id, new AbortController().signal)) seen.push(view.state);
    await operator.idle();
    return { ...all, id, saves, seen };
  }

  const outcomes: Record<string, Trouble["during"]> = {
    done: () => undefined,
    failed: (number) => {
      if (number === 1) throw noAnswer;
    },
  };
  for (const [usual, during] of Object.entries(outcomes)) {
    for (const failing of [1, 3]) {
      it(`loses nothing of what was ${usual}, whichever ${failing} of its notes fail`, async (t) => {
        for (let from = 0, saves = 1; from < saves; from += 1) {
          const { operator, state, played, folder, id, ...run } = await asked(t, { from, failing, during });
          saves = run.saves - failing;
          const { state: outcome } = operator.request(id);
          const kept = JSON.parse(await readFile(join(folder, "journal", `${id}.json`), "utf8"));
          assert.deepEqual([kept.phase, kept.view.state], ["over", outcome], `from ${from}`);
          assert.equal(run.seen.at(-1), outcome);
          assert.equal(state.text === FILE, outcome === "failed", `from ${from}`);
          // What is in force is what the person was told.
          if (played.updates.length > 0) assert.equal(played.updates.at(-1), state.text);
          if (usual === "failed") assert.equal(outcome, "failed");
          played.during = () => undefined;
          const other = { kind: "create", uid: "carol", address: "c@example.org" } as const;
          const after = operator.submit(other);
          await operator.idle();
          assert.equal(operator.request(after).state, "done");
        }
      });
    }
  }

  it("never takes back what an update has done", async (t) => {
    let begun = false;
    const { operator, state, played } = await setUp(t);
    played.during = () => {
      begun = true;
    };
    played.onSave = () => {
      if (begun && played.waits.length < 3) throw ENOSPC;
    };
    const id = operator.submit(create);
    await operator.idle();
    assert.deepEqual([operator.request(id).state, played.updates.length], ["done", 1]);
    assert.notEqual(state.text, FILE);
    assert.deepEqual(played.waits, [10_000, 20_000, 40_000]);
    assert.deepEqual(new Set(played.errors.map(({ event }) => event)), new Set(["operator.journal.failed"]));
  });

  it("shows people what is, and takes no request, until there is room", async (t) => {
    const { operator, played } = await setUp(t);
    const other = { kind: "create", uid: "carol", address: "c@example.org" } as const;
    const seen: unknown[] = [];
    let saves = 0;
    played.onSave = () => {
      if (++saves > 1 && played.waits.length === 0) throw ENOSPC;
    };
    played.onWait = () => {
      seen.push(operator.person("bob").state, operator.request("1".padStart(32, "0")).state);
      assert.throws(() => operator.submit(other), isRefusal("unavailable"));
    };
    const id = operator.submit(create);
    await operator.idle();
    assert.deepEqual([seen, operator.request(id).state], [["none", "running"], "done"]);
  });

  it("stops waiting for room when it ends, and finishes the request in its next life", async (t) => {
    const { operator, ending, played, start } = await setUp(t);
    const id = operator.submit(create);
    played.onSave = () => {
      throw ENOSPC;
    };
    played.onWait = () => ending.abort();
    await operator.idle();
    played.onSave = () => undefined;
    const { operator: next } = start();
    next.recover();
    await next.idle();
    assert.equal(next.request(id).state, "done");
  });

  it("goes on where old requests can't be forgotten", async (t) => {
    const { operator, played } = await setUp(t, FILE, 1);
    const restart = { kind: "restart", uid: "alice" } as const;
    played.onPrune = () => {
      throw ENOSPC;
    };
    const first = operator.submit(restart);
    await operator.idle();
    assert.equal(operator.request(first).state, "done");
    assert.equal(played.errors[0]?.event, "operator.journal.failed");
    played.onPrune = () => undefined;
    operator.submit(restart);
    await operator.idle();
    assert.throws(() => operator.request(first), isRefusal("unknown-request"));
  });
});
