/** The backup's timer: reads its environment, takes everybody's snapshots when it is time, ends on SIGTERM. */
import Docker from "dockerode";
import { z } from "zod";
import { createMeter } from "../../mailserver/metrics/meter.ts";
import { serveMeter } from "../../mailserver/metrics/serve.ts";
import { createLog } from "../../mailserver/net/log.ts";
import { type Daemon, type Ending, runDaemon } from "../../mailserver/net/run-daemon.ts";
import { systemClock } from "../../mailserver/queue/clock.ts";
import { openMemory } from "./memory.ts";
import { startTimer } from "./timer.ts";

const Environment = z.object({
  /** Begins the names of everything that the stack makes. */
  BACKUP_PREFIX: z.string().min(1),
  /** Times of day, UTC. */
  BACKUP_TIMES: z
    .string()
    .transform((text) => text.split(" "))
    .pipe(z.array(z.string().regex(/^\d\d:\d\d$/, "must be times such as 02:30"))),
  /** On the front network. */
  BACKUP_METRICS_ADDRESS: z.ipv4(),
});

const FOLDER = "/var/lib/semail";
const PORT = 8_080;

const meter = createMeter();
const log = meter.metered(createLog({ daemon: "backup-timer" }));

async function start({ signal }: Ending): Promise<Daemon> {
  const {
    BACKUP_PREFIX: prefix,
    BACKUP_TIMES: times,
    BACKUP_METRICS_ADDRESS: address,
  } = Environment.parse(process.env);
  const docker = new Docker({ socketPath: "/var/run/docker.sock" });
  const place = { docker, prefix, signal };
  const timer = startTimer({ times, place, memory: openMemory(FOLDER), clock: systemClock, log });
  const health = await serveMeter({
    meter,
    settings: { healthPort: PORT, metricsAddress: address },
    healthy: () => true,
  });
  return {
    ready: { times },
    close: async () => {
      await timer.close();
      await health.close();
    },
  };
}

await runDaemon(log, start, (code) => process.exit(code));
