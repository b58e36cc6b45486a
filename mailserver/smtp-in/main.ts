/** smtp-in, the MX daemon: reads its settings, runs, ends on SIGTERM. The settings file may be named as argument. */
import { SETTINGS_FILE, SmtpInSettings } from "../contract.ts";
import { serveHealth } from "../net/health.ts";
import { createLog } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { systemClock } from "../queue/clock.ts";
import { startSmtpIn } from "./daemon.ts";

const log = createLog({ daemon: "smtp-in" });

/** More than the listener's own grace; SIGKILL would follow anyway. */
const END_MS = 2_900;

function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
}

async function run(): Promise<void> {
  const ended = signalled();
  const settings = await readSettings(SmtpInSettings, process.argv[2] ?? SETTINGS_FILE);
  const daemon = await startSmtpIn(settings, { log, clock: systemClock });
  let healthy = true;
  const health = await serveHealth({ port: settings.healthPort, healthy: () => healthy });
  log.info("daemon.ready", { port: daemon.port });
  log.info("daemon.stopping", { signal: await ended });
  healthy = false;
  setTimeout(() => process.exit(0), END_MS).unref();
  await daemon.close();
  await health.close();
  log.info("daemon.stopped");
}

try {
  await run();
  process.exit(0);
} catch (error) {
  log.error("daemon.failed", { error });
  process.exit(1);
}
