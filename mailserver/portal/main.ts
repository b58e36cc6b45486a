/** The portal: reads its settings, serves the pages, ends on SIGTERM. */
import { randomBytes } from "node:crypto";
import { PortalSettings, SETTINGS_FILE } from "../contract.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveMeter } from "../metrics/serve.ts";
import { createLog } from "../net/log.ts";
import { type Daemon, type Ending, runDaemon } from "../net/run-daemon.ts";
import { readSettings } from "../net/settings.ts";
import { systemClock } from "../queue/clock.ts";
import { startPortal } from "./daemon.ts";

const meter = createMeter();
const log = meter.metered(createLog({ daemon: "portal" }));

async function start({ signal }: Ending): Promise<Daemon> {
  const settings = await readSettings(PortalSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
  const portal = await startPortal(settings, {
    log,
    clock: systemClock,
    newToken: () => randomBytes(32).toString("base64url"),
  });
  const health = await serveMeter({ meter, settings, healthy: () => !signal.aborted });
  return {
    ready: { ports: { https: portal.port } },
    close: async () => {
      await portal.close();
      await health.close();
    },
  };
}

await runDaemon(log, start, (code) => process.exit(code));
