/**
 * smtp-in, the MX daemon: a primary process that reads the settings, watches over the workers and ends on SIGTERM, and
 * the workers, which serve. The settings file may be named as argument.
 */
import { SETTINGS_FILE } from "../contract.ts";
import { isQueueWorker, runQueueWorker } from "../queue/worker.ts";
import { workerSlot } from "../workers/processes.ts";

const slot = workerSlot(process.env);
const settingsFile = process.argv[2] ?? SETTINGS_FILE;
const exit = (code: number): void => process.exit(code);
// The bundle is one file, which serves as the entry of every process and thread; each loads only what it needs.
if (isQueueWorker()) runQueueWorker();
else if (slot === undefined) {
  const { runPrimary } = await import("./primary.ts");
  await runPrimary({ settingsFile, exit });
} else {
  const { runWorker } = await import("./worker.ts");
  await runWorker({ slot, queueWorker: new URL(import.meta.url), settingsFile, exit });
}
