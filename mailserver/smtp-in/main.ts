/**
 * smtp-in, the MX daemon: a primary process that reads the settings, watches over the workers and ends on SIGTERM, and
 * the workers, which serve. The settings file may be named as argument.
 */
import { SETTINGS_FILE } from "../contract.ts";
import { isQueueWorker, runQueueWorker } from "../queue/worker.ts";
import { workerSlot } from "../workers/processes.ts";
import { runPrimary } from "./primary.ts";
import { runWorker } from "./worker.ts";

const slot = workerSlot(process.env);
const settingsFile = process.argv[2] ?? SETTINGS_FILE;
const exit = (code: number): void => process.exit(code);
// The bundle is one file, which serves as the entry of every process and thread.
if (isQueueWorker()) runQueueWorker();
else if (slot === undefined) await runPrimary({ settingsFile, exit });
else await runWorker({ slot, queueWorker: new URL(import.meta.url), settingsFile, exit });
