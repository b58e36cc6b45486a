/** smtp-out, the submission and relay daemon: reads its settings, runs, ends on SIGTERM. */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SETTINGS_FILE, SmtpOutSettings } from "../contract.ts";
import { deskSocket } from "../desk/ask.ts";
import { runDeskCommand } from "../desk/command.ts";
import { serveDesk } from "../desk/serve.ts";
import { CONTENT_TYPE, exposition, snapshot } from "../metrics/exposition.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveHealth } from "../net/health.ts";
import { createLog } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { signalled } from "../net/signalled.ts";
import { systemClock } from "../queue/clock.ts";
import { isQueueWorker, runQueueWorker } from "../queue/worker.ts";
import { startSmtpOut } from "./daemon.ts";

async function main(): Promise<void> {
  const meter = createMeter();
  const log = meter.metered(createLog({ daemon: "smtp-out" }));
  const ending = signalled();
  try {
    const settings = await readSettings(SmtpOutSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
    const daemon = await startSmtpOut(settings, {
      log,
      clock: systemClock,
      random: Math.random,
      newId: () => randomBytes(8).toString("hex"),
      // The bundle is one file, which serves as the worker's entry too.
      queueWorker: new URL(import.meta.url),
    });
    let alive = true;
    meter.watchQueue(() => daemon.queue.census(), systemClock.now);
    const queues = [daemon.queue];
    const desk = await serveDesk({
      path: deskSocket(deskFolder, "smtp-out"),
      queues,
      clock: systemClock,
      log,
    });
    const health = await serveHealth({
      port: settings.healthPort,
      address: settings.metricsAddress,
      healthy: () => alive,
      metrics: { contentType: CONTENT_TYPE, read: async () => exposition([await snapshot(meter.registry)]) },
    });
    log.info("daemon.ready", { ports: daemon.ports });
    const signal = await Promise.race([daemon.failed, ending]);
    alive = false;
    log.info("daemon.stopping", { signal });
    await desk.close();
    await daemon.close();
    await health.close();
    log.info("daemon.stopped");
    process.exit(0);
  } catch (error) {
    log.error("daemon.failed", { error });
    process.exit(1);
  }
}

const deskFolder = join(tmpdir(), "semail-queue");
const [, , word, ...words] = process.argv;
if (isQueueWorker()) runQueueWorker();
else if (word === "queue") {
  process.exitCode = await runDeskCommand(words, {
    folder: deskFolder,
    now: systemClock.now,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
} else await main();
