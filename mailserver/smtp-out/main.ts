/** smtp-out, the submission and relay daemon: reads its settings, runs, ends on SIGTERM. */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SETTINGS_FILE, SmtpOutSettings } from "../contract.ts";
import { deskSocket } from "../desk/ask.ts";
import { runDeskCommand } from "../desk/command.ts";
import { serveDesk } from "../desk/serve.ts";
import { createMeter, type Meter } from "../metrics/meter.ts";
import { serveMeter } from "../metrics/serve.ts";
import { createLog, type Log } from "../net/log.ts";
import { type Daemon, type Ending, runDaemon } from "../net/run-daemon.ts";
import { readSettings } from "../net/settings.ts";
import { systemClock } from "../queue/clock.ts";
import { createItemIds } from "../queue/item-id.ts";
import { isQueueWorker, runQueueWorker } from "../queue/worker.ts";
import { startSmtpOut } from "./daemon.ts";

const deskFolder = join(tmpdir(), "semail-queue");

async function start({ signal }: Ending, log: Log, meter: Meter): Promise<Daemon> {
  const settings = await readSettings(SmtpOutSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
  const daemon = await startSmtpOut(settings, {
    log,
    clock: systemClock,
    random: Math.random,
    newId: createItemIds({ now: systemClock.now, tag: randomBytes(4).toString("hex") }),
    // The bundle is one file, which serves as the worker's entry too.
    queueWorker: new URL(import.meta.url),
  });
  meter.watchQueue(() => daemon.queue.census(), systemClock.now);
  meter.watchRoom(daemon.room);
  meter.watchDisk(settings.queueDir);
  const desk = await serveDesk({
    path: deskSocket(deskFolder, "smtp-out"),
    queues: [daemon.queue],
    clock: systemClock,
    log,
  });
  const health = await serveMeter({ meter, settings, healthy: () => !signal.aborted });
  return {
    ready: { ports: daemon.ports },
    failed: daemon.failed,
    close: async () => {
      await desk.close();
      await daemon.close();
      await health.close();
    },
  };
}

const [, , word, ...words] = process.argv;
if (isQueueWorker()) runQueueWorker();
else if (word === "queue") {
  process.exitCode = await runDeskCommand(words, {
    folder: deskFolder,
    now: systemClock.now,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
} else {
  const meter = createMeter();
  const log = meter.metered(createLog({ daemon: "smtp-out" }));
  await runDaemon(
    log,
    (ending) => start(ending, log, meter),
    (code) => process.exit(code),
  );
}
