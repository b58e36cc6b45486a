/** The backup's timer: reads its environment, takes everybody's snapshots when it is time, ends on SIGTERM. */
import Docker from "dockerode";
import { z } from "zod";
import { CONTENT_TYPE, exposition, snapshot } from "../../mailserver/metrics/exposition.ts";
import { createMeter } from "../../mailserver/metrics/meter.ts";
import { serveHealth } from "../../mailserver/net/health.ts";
import { createLog } from "../../mailserver/net/log.ts";
import { signalled } from "../../mailserver/net/signalled.ts";
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
const ending = new AbortController();
const asked = signalled();
try {
  const {
    BACKUP_PREFIX: prefix,
    BACKUP_TIMES: times,
    BACKUP_METRICS_ADDRESS: address,
  } = Environment.parse(process.env);
  const docker = new Docker({ socketPath: "/var/run/docker.sock" });
  const place = { docker, prefix, signal: ending.signal };
  const timer = startTimer({ times, place, memory: openMemory(FOLDER), clock: systemClock, log });
  const health = await serveHealth({
    ...{ port: PORT, address, healthy: () => true },
    metrics: { contentType: CONTENT_TYPE, read: async () => exposition([await snapshot(meter.registry)]) },
  });
  log.info("daemon.ready", { times });
  const signal = await asked;
  log.info("daemon.stopping", { signal });
  ending.abort(new Error(`stopped by ${signal}`));
  await timer.close();
  await health.close();
  log.info("daemon.stopped");
  process.exit(0);
} catch (error) {
  log.error("daemon.failed", { error });
  process.exit(1);
}
