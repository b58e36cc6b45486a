/** The primary process of smtp-in: no mail passes through it. */
import { SmtpInSettings } from "../contract.ts";
import { CONTENT_TYPE, exposition, snapshot } from "../metrics/exposition.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveHealth } from "../net/health.ts";
import { createLog } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { signalled } from "../net/signalled.ts";
import { systemTiming } from "../net/timing.ts";
import { forkWorker } from "../workers/processes.ts";
import { Supervisor } from "../workers/supervisor.ts";
import { countClients } from "./clients.ts";

/** What workers may take to end: a little more than their listeners' grace. The container's SIGKILL comes later. */
const GRACE_MS = 2_700;

/** How the process is run. */
export interface ProcessDeps {
  readonly settingsFile: string;
  readonly exit: (code: number) => void;
}

export async function runPrimary({ settingsFile, exit }: ProcessDeps): Promise<void> {
  const meter = createMeter();
  const log = meter.metered(createLog({ daemon: "smtp-in" }));
  const ending = signalled();
  try {
    const settings = await readSettings(SmtpInSettings, settingsFile);
    const supervisor = new Supervisor({
      workers: settings.workers,
      fork: forkWorker,
      counts: countClients(settings, Date.now),
      timing: systemTiming,
      log,
      graceMs: GRACE_MS,
    });
    meter.watchWorkers(() => supervisor.state());
    const started = supervisor.start();
    // The first reason counts, not that a signal came while it was found.
    const port = await Promise.race([started, ending.then(() => undefined)]);
    const health = await serveHealth({
      port: settings.healthPort,
      address: settings.metricsAddress,
      healthy: () => supervisor.healthy(),
      metrics: {
        contentType: CONTENT_TYPE,
        read: async () => exposition([await snapshot(meter.registry), ...(await supervisor.metrics())]),
      },
    });
    if (port !== undefined) log.info("daemon.ready", { port });
    const signal = await ending;
    log.info("daemon.stopping", { signal });
    await supervisor.stop();
    await health.close();
    log.info("daemon.stopped");
    exit(0);
  } catch (error) {
    log.error("daemon.failed", { error });
    exit(1);
  }
}
