import assert from "node:assert/strict";
import cluster from "node:cluster";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { FromWorker } from "../../../mailserver/workers/messages.ts";
import { forkWorker } from "../../../mailserver/workers/processes.ts";

test("a worker for which there is no process ends with the reason", async () => {
  const { execPath } = process;
  // As when the system has no process left: Node tells of either in the same way.
  process.execPath = "/missing/node";
  try {
    const worker = forkWorker(1);
    assert.equal(worker.pid, undefined);
    const how = await new Promise<number | string>((resolve) => worker.onExit(resolve));
    assert.match(String(how), /ENOENT/);
  } finally {
    process.execPath = execPath;
  }
});

test("what a worker says in its last moment is heard, in order", { timeout: 30_000 }, async () => {
  const { exec } = cluster.settings;
  cluster.setupPrimary({ exec: fileURLToPath(new URL("last-words.ts", import.meta.url)) });
  try {
    const worker = forkWorker(1);
    const heard: FromWorker[] = [];
    worker.onMessage((message) => heard.push(message));
    assert.equal(await new Promise<number | string>((resolve) => worker.onExit(resolve)), 1);
    assert.deepEqual(heard, [
      { kind: "failed", reason: "the port is taken" },
      { kind: "failed", reason: "and so is the other" },
    ]);
  } finally {
    cluster.setupPrimary({ exec });
  }
});
