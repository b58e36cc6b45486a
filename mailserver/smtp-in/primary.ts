/** The primary process of smtp-in: no mail passes through it. */
import { SmtpInSettings } from "../contract.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveMeter } from "../metrics/serve.ts";
import { createLog } from "../net/log.ts";
import { type Daemon, type Ending, runDaemon } from "../net/run-daemon.ts";
import { readSettings } from "../net/settings.ts";
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
  const start = async ({ asked }: Ending): Promise<Daemon> => {
    const settings = await readSettings(SmtpInSettings, settingsFile);
    const supervisor = new Supervisor({
      workers: settings.workers,
      fork: forkWorker,
      counts: countClients(settings, systemTiming.now),
      timing: systemTiming,
      log,
      graceMs: GRACE_MS,
    });
    meter.watchWorkers(() => supervisor.state());
    meter.watchDisk(settings.queueDir);
    const started = supervisor.start();
    // The first reason counts, not that a signal came while it was found.
    const port = await Promise.race([started, asked.then(() => undefined)]);
    const health = await serveMeter({
      ...{ meter, settings },
      healthy: () => supervisor.healthy(),
      others: () => supervisor.metrics(),
    });
    return {
      ready: port === undefined ? undefined : { port },
      close: async () => {
        await supervisor.stop();
        await health.close();
      },
    };
  };
  await runDaemon(log, start, exit);
}
