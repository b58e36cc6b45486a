import assert from "node:assert/strict";
import { test } from "node:test";
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
