import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { Refusal } from "../../../operator/refusal.ts";
import type { Progress } from "../../../operator/updates.ts";
import { updatesProcess } from "../../../operator/updates-process/parent.ts";
import { temporaryFolder } from "../../support/queue.ts";

/** Answers as main.ts does; what it is to do stands in the text. */
const PROGRAM = `
import { appendFileSync } from "node:fs";
appendFileSync(process.argv[1] + ".lives", "x");
const tell = (answer) => process.send(answer);
process.on("message", ({ id, kind, text, person, name }) => {
  if (text === "progress") {
    tell({ id, kind: "progress", progress: { urn: process.pid + person.uid + person.entries, op: "create", state: "running" } });
    tell({ id, kind: "done" });
  }
  if (text === "refuse") tell({ id, kind: "failed", message: "x", fault: { code: "update-failed", detail: "as told" } });
  if (kind === "prepare") tell({ id, kind: "done" });
  if (text === "fail" || name === "fail") tell({ id, kind: "failed", message: "as it was said" });
  if (text === "die") process.exit(7);
});
process.once("disconnect", () => process.exit(0));
`;

async function setUp(t: TestContext, idleMs = 60_000, preparedMs = 60_000) {
  const folder = await temporaryFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  const entry = join(folder.path, "updates.mjs");
  await writeFile(entry, PROGRAM);
  const ending = new AbortController();
  t.after(() => ending.abort());
  const updates = updatesProcess({ entry, env: process.env, ending: ending.signal, idleMs, preparedMs });
  const update = async (text: string) => {
    const seen: Progress[] = [];
    await updates.update(text, { uid: "bob", entries: ["e1"] }, (progress) => seen.push(progress));
    return seen;
  };
  const pid = async () => Number.parseInt((await update("progress"))[0]?.urn ?? "", 10);
  const lives = async () => (await readFile(`${entry}.lives`, "utf8")).length;
  return { updates, update, ending, pid, lives };
}

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

describe("the process that makes updates", () => {
  it("is one for the steps of a request, and tells progress", async (t) => {
    const { update, pid } = await setUp(t);
    const first = await pid();
    const seen = await update("progress");
    assert.deepEqual(seen, [{ urn: `${first}bobe1`, op: "create", state: "running" }]);
  });

  it("that was made ready is there for the update, for longer than one between two steps", async (t) => {
    const { updates, pid, lives } = await setUp(t, 1);
    await updates.prepare();
    const first = await pid();
    assert.equal(await lives(), 1);
    while (!isGone(first)) await new Promise((resolve) => setTimeout(resolve, 10));
    const brief = await setUp(t, 60_000, 1);
    const [working] = await Promise.all([brief.pid(), brief.updates.prepare()]);
    while (!isGone(working)) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it("says why as the operator would itself", async (t) => {
    const { update, updates } = await setUp(t);
    await assert.rejects(
      update("refuse"),
      (error) => error instanceof Refusal && error.fault.detail === "as told",
    );
    await assert.rejects(update("fail"), /as it was said/);
    await assert.rejects(updates.unprotect("fail"), /as it was said/);
  });

  it("fails what it was at when it dies, and is another one for the next", async (t) => {
    const { update, pid } = await setUp(t);
    const first = await pid();
    await assert.rejects(update("die"), /ended: 7/);
    assert.notEqual(await pid(), first);
  });

  it("is let go of when nothing comes for a while, and when the operator ends", async (t) => {
    const quick = await setUp(t, 1);
    const first = await quick.pid();
    while (!isGone(first)) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.notEqual(await quick.pid(), first);
    const { update, ending } = await setUp(t);
    const hanging = update("nothing comes");
    ending.abort(new Error("stopped"));
    await assert.rejects(hanging, /ended: 0/);
    await assert.rejects(update("progress"), /stopped/);
  });
});

it("an operator that is older than its checkout is told so, whatever it asks for", async (t) => {
  const folder = await temporaryFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  const main = join(import.meta.dirname, "../../../operator/updates-process/main.ts");
  const env = { ...process.env, SEMAIL_ROOT: folder.path, SEMAIL_STACK: "t" };
  const child = fork(main, {
    env,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  for (const asked of [
    { kind: "preview", text: "x" },
    { kind: "update", text: "x" },
    { kind: "update", text: "x", uid: "bob" },
    { kind: "update", text: "x", person: { uid: "", entries: [] } },
  ]) {
    const answered = once(child, "message");
    child.send({ id: 7, ...asked });
    const [{ id, kind, fault }] = await answered;
    assert.deepEqual([id, kind, fault?.code], [7, "failed", "needs-administrator"]);
  }
  const ended = once(child, "exit");
  child.disconnect();
  await ended;
});
