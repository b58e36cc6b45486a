import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { create, FILE, noAnswer, outcome, setUp } from "./support.ts";

it("an operator whose journal's folder is gone makes it again, and goes on", async (t) => {
  const { operator, played, folder } = await setUp(t);
  played.during = () => rm(join(folder, "journal"), { recursive: true });
  const id = operator.submit(create);
  assert.equal((await outcome(operator, id)).state, "done");
  await operator.idle();
  assert.deepEqual(await readdir(join(folder, "journal")), [`${id}.json`]);
  assert.deepEqual(played.waits, []);
});

describe("an operator that was killed", () => {
  /** Runs until `when` and never gets further; then another one starts on what is left. */
  async function killed(t: TestContext, when: (number: number) => boolean, failing = false) {
    const all = await setUp(t);
    const { operator, played, start, ending } = all;
    const reached = new Promise<void>((resolve) => {
      played.during = (number) => {
        if (failing && number === 1 && !when(number)) throw noAnswer;
        if (!when(number)) return undefined;
        resolve();
        return new Promise(() => undefined);
      };
    });
    const id = operator.submit(create);
    await reached;
    ending.abort();
    played.during = () => undefined;
    const next = start();
    next.operator.recover();
    return { ...all, view: await outcome(next.operator, id), next };
  }

  it("in the middle of an update finishes it", async (t) => {
    const { view, state, played } = await killed(t, (number) => number === 1);
    assert.deepEqual([view.state, played.updates.length], ["done", 2]);
    assert.match(state.text, /Bob Durand\n {4}carol/);
  });

  it("while it took a failed one back goes on with that", async (t) => {
    const { view, state, played } = await killed(t, (number) => number === 2, true);
    assert.deepEqual([view.state, view.error?.code, state.text], ["failed", "update-failed", FILE]);
    assert.deepEqual(played.updates.at(-1), FILE);
  });

  it("while it took a failed one back, and had said that it failed, says so when it is true", async (t) => {
    const { operator, start, played, folder } = await setUp(t);
    const id = operator.submit(create);
    await operator.idle();
    const path = join(folder, "journal", `${id}.json`);
    const entry = JSON.parse(await readFile(path, "utf8"));
    const view = { ...entry.view, state: "failed", error: noAnswer.fault };
    await writeFile(path, JSON.stringify({ ...entry, phase: "undoing", view }));
    const next = start().operator;
    const during: unknown[] = [];
    played.during = () => void during.push(next.request(id).state);
    next.recover();
    assert.equal((await outcome(next, id)).state, "failed");
    assert.deepEqual(during, ["running"]);
  });

  it("again and again by the same request takes that back", async (t) => {
    const { operator, start, played, state, folder } = await setUp(t);
    const id = operator.submit(create);
    await operator.idle();
    const path = join(folder, "journal", `${id}.json`);
    const entry = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...entry, phase: "applying", attempts: 3 }));
    const next = start().operator;
    next.recover();
    const view = await outcome(next, id);
    assert.deepEqual([view.state, view.error?.code], ["failed", "undone-after-restart"]);
    assert.ok(played.errors.some(({ event }) => event === "operator.failed"));
    assert.deepEqual([state.text, played.updates.at(-1)], [FILE, FILE]);
  });

  it("sets a damaged journal file aside and goes on", async (t) => {
    const { start, folder } = await setUp(t);
    await writeFile(join(folder, "journal", "x.json"), "{");
    const { operator } = start();
    operator.recover();
    assert.deepEqual(await readdir(join(folder, "journal")), ["x.json.damaged"]);
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });
});
