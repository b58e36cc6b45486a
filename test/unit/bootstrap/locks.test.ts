import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Holder, isStale, processStart, withLock } from "../../../tools/bootstrap/lock.mjs";
import { isDeadLock, lockedFault } from "../../../tools/bootstrap/pulumi-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "semail-t-lock-"));
after(() => rmSync(folder, { recursive: true }));
/** No process has it: above the largest number that Linux gives. */
const NO_PID = 2 ** 22 + 1;

const alive = new Map([[10, "500"]]);
const here = { host: "here", startOf: (pid: number) => alive.get(pid) };
const holders: [name: string, holder: Holder, stale: boolean][] = [
  ["its process lives", { pid: 10, host: "here", start: "500" }, false],
  ["its process is gone", { pid: 11, host: "here", start: "500" }, true],
  ["its number was given to another process", { pid: 10, host: "here", start: "400" }, true],
  ["another machine's is never judged", { pid: 11, host: "there", start: "500" }, false],
  ["without a start time the number must do", { pid: 10, host: "here" }, false],
];
for (const [name, holder, stale] of holders) {
  test(`lock: ${name}`, () => assert.equal(isStale(holder, here), stale));
}

test("lock: where the system tells no start time, a live process is believed", () => {
  assert.equal(isStale({ pid: 10, host: "here", start: "5" }, { host: "here", startOf: () => "" }), false);
});

test("lock: this process is seen as alive, an impossible one as gone", () => {
  assert.notEqual(processStart(process.pid), undefined);
  assert.equal(processStart(NO_PID), undefined);
});

test("lock: one works at a time, and the file is gone afterwards", async () => {
  const path = join(folder, "one");
  let inside = 0;
  let most = 0;
  const work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  await Promise.all([withLock(path, {}, work), withLock(path, {}, work)]);
  assert.equal(most, 1);
  assert.deepEqual(readdirSync(folder), []);
});

test("lock: the one of a killed run is taken over", async () => {
  const path = join(folder, "dead");
  writeFileSync(path, JSON.stringify({ pid: NO_PID, host: hostname(), start: "1" }));
  assert.equal(await withLock(path, {}, () => "done"), "done");
});

test("lock: a failed work frees it", async () => {
  const path = join(folder, "failed");
  await assert.rejects(
    withLock(path, {}, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(await withLock(path, {}, () => "again"), "again");
});

test("lock: waiting for another machine's is told once and can be stopped", async () => {
  const path = join(folder, "theirs");
  writeFileSync(path, JSON.stringify({ pid: 1, host: "elsewhere", start: "1" }));
  const stop = new AbortController();
  const told: number[] = [];
  const onWait = ({ pid }: Holder) => {
    told.push(pid);
    stop.abort(new Error("stopped"));
  };
  await assert.rejects(withLock(path, { onWait, signal: stop.signal }, () => "never"));
  assert.deepEqual(told, [1]);
  rmSync(path);
});

const lock = { pid: 7, username: "root", hostname: "here", timestamp: "2026-01-01T00:00:00Z" };
const pulumiLocks: [name: string, command: string | undefined, hostname: string, dead: boolean][] = [
  ["of a process that is gone is dead", undefined, "here", true],
  ["of a live pulumi is not", "pulumi", "here", false],
  ["whose number another program has is dead", "bash", "here", true],
  ["of a process that the system doesn't name is not", "", "here", false],
  ["of another machine is not", undefined, "there", false],
];
for (const [name, command, host, dead] of pulumiLocks) {
  test(`pulumi's lock ${name}`, () => {
    assert.equal(isDeadLock(lock, { hostname: host, commandOf: () => command }), dead);
  });
}

test("a locked stack names who works on it and the way out", () => {
  const fault = lockedFault("dev", lock);
  assert.match(fault.message, /process 7 of root@here/);
  assert.match(fault.remedy, /--unlock/);
});
