/** The portal: reads its settings, serves the pages, ends on SIGTERM. */
import { randomBytes } from "node:crypto";
import { PortalSettings, SETTINGS_FILE } from "../contract.ts";
import { CONTENT_TYPE, exposition, snapshot } from "../metrics/exposition.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveHealth } from "../net/health.ts";
import { createLog } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { signalled } from "../net/signalled.ts";
import { systemClock } from "../queue/clock.ts";
import { startPortal } from "./daemon.ts";

async function main(): Promise<void> {
  const meter = createMeter();
  const log = meter.metered(createLog({ daemon: "portal" }));
  const ending = signalled();
  try {
    const settings = await readSettings(PortalSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
    const portal = await startPortal(settings, {
      log,
      clock: systemClock,
      newToken: () => randomBytes(32).toString("base64url"),
    });
    let alive = true;
    const health = await serveHealth({
      port: settings.healthPort,
      address: settings.metricsAddress,
      healthy: () => alive,
      metrics: { contentType: CONTENT_TYPE, read: async () => exposition([await snapshot(meter.registry)]) },
    });
    log.info("daemon.ready", { ports: { https: portal.port } });
    const signal = await ending;
    alive = false;
    log.info("daemon.stopping", { signal });
    await portal.close();
    await health.close();
    log.info("daemon.stopped");
    process.exit(0);
  } catch (error) {
    log.error("daemon.failed", { error });
    process.exit(1);
  }
}

await main();
