/** The queue's worker thread as a file of its own, where the daemon is not bundled into one. */
import { runQueueWorker } from "./worker.ts";

runQueueWorker();
