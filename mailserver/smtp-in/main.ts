/** smtp-in, the MX daemon: reads its settings, runs, ends on SIGTERM. The settings file may be named as argument. */
import { randomBytes } from "node:crypto";
import { SETTINGS_FILE, SmtpInSettings } from "../contract.ts";
import { serveHealth } from "../net/health.ts";
import { createLog } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { systemClock } from "../queue/clock.ts";
import { isQueueWorker, runQueueWorker } from "../queue/worker.ts";
import { startSmtpIn } from "./daemon.ts";

/** More than the listener's own grace; SIGKILL would follow anyway. */
const END_MS = 2_900;

function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
}

async function main(): Promise<void> {
  const log = createLog({ daemon: "smtp-in" });
  // Before anything else: process 1 of a container has no default for signals.
  const ended = signalled();
  try {
    const settings = await readSettings(SmtpInSettings, process.argv[2] ?? SETTINGS_FILE);
    const daemon = await startSmtpIn(settings, {
      log,
      clock: systemClock,
      random: Math.random,
      newId: () => randomBytes(8).toString("hex"),
      // The bundle is one file, which serves as the worker's entry too.
      queueWorker: new URL(import.meta.url),
    });
    let healthy = true;
    const health = await serveHealth({ port: settings.healthPort, healthy: () => healthy });
    log.info("daemon.ready", { port: daemon.port });
    const signal = await Promise.race([daemon.failed, ended]);
    healthy = false;
    log.info("daemon.stopping", { signal });
    setTimeout(() => process.exit(0), END_MS).unref();
    await daemon.close();
    await health.close();
    log.info("daemon.stopped");
    process.exit(0);
  } catch (error) {
    log.error("daemon.failed", { error });
    process.exit(1);
  }
}

if (isQueueWorker()) runQueueWorker();
else await main();
