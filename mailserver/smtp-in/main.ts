/**
 * smtp-in, the MX daemon: a primary process that reads the settings, watches over the workers and ends on SIGTERM, and
 * the workers, which serve. The settings file may be named as argument;
 * `queue …` instead asks the workers that run about their queues.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SETTINGS_FILE } from "../contract.ts";
import { isQueueWorker, runQueueWorker } from "../queue/worker.ts";
import { workerSlot } from "../workers/processes.ts";

const slot = workerSlot(process.env);
const [, , word, ...words] = process.argv;
const settingsFile = word ?? SETTINGS_FILE;
const deskFolder = join(tmpdir(), "semail-queue");
const exit = (code: number): void => process.exit(code);
// The bundle is one file, which serves as the entry of every process and thread; each loads only what it needs.
if (isQueueWorker()) runQueueWorker();
else if (word === "queue") {
  const { runDeskCommand } = await import("../desk/command.ts");
  process.exitCode = await runDeskCommand(words, {
    folder: deskFolder,
    now: Date.now,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
} else if (slot === undefined) {
  const { runPrimary } = await import("./primary.ts");
  await runPrimary({ settingsFile, exit });
} else {
  const { runWorker } = await import("./worker.ts");
  const queueWorker = new URL(import.meta.url);
  await runWorker({ slot, deskFolder, queueWorker, settingsFile, exit });
}
