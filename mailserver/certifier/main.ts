/** The certifier: has a public authority issue the certificate that the services show, and keeps it fresh. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CertifierSettings, SETTINGS_FILE } from "../contract.ts";
import { CONTENT_TYPE, exposition, snapshot } from "../metrics/exposition.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveHealth } from "../net/health.ts";
import { createLog, type Log } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { signalled } from "../net/signalled.ts";
import { systemClock } from "../queue/clock.ts";
import { createAuthority } from "./authority.ts";
import { type Certifier, startCertifier } from "./certifier.ts";
import { createChallenges } from "./challenges.ts";
import { untilSeen } from "./seen.ts";
import { openStore } from "./store.ts";
import { createTransport, installTransport } from "./transport.ts";

const TIMEOUT_MS = 30_000;
const LOOK_MS = 15_000;
const { now } = systemClock;

const secret = async (file: string): Promise<string> => (await readFile(file, "utf8")).trim();

async function start(settings: CertifierSettings, log: Log): Promise<Certifier> {
  const { directory, contact, zones, roots, eab, own, names, records, retry, holdMs } = settings;
  const transport = createTransport({ roots, timeoutMs: TIMEOUT_MS, now });
  installTransport(transport);
  const accountKey = await secret(settings.accountKeyFile);
  const account = eab && { keyId: eab.keyId, key: await secret(eab.keyFile) };
  return startCertifier({
    ...{ names, retry, holdMs, lookMs: LOOK_MS, log, clock: systemClock, random: Math.random },
    version: process.env.SETTINGS_VERSION ?? "",
    own: async () => {
      const [certificate, key] = await Promise.all(
        [own.certificateFile, own.keyFile].map((file) => readFile(file, "utf8")),
      );
      return { certificate: certificate ?? "", key: key ?? "" };
    },
    store: openStore(settings.folder),
    challenges: createChallenges(async () => ({
      apiUrl: records.apiUrl,
      token: await secret(records.tokenFile),
    })),
    untilSeen: (list) => untilSeen(list, { ...records, now, sleep }),
    authority: (prove) =>
      createAuthority({ directory, accountKey, contact, zones, transport, prove, now, sleep, eab: account }),
  });
}

async function main(): Promise<void> {
  const meter = createMeter();
  const log = meter.metered(createLog({ daemon: "certifier" }));
  const ending = signalled();
  try {
    const settings = await readSettings(CertifierSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
    const certifier = await start(settings, log);
    const health = await serveHealth({
      port: settings.healthPort,
      address: settings.metricsAddress,
      healthy: certifier.healthy,
      metrics: { contentType: CONTENT_TYPE, read: async () => exposition([await snapshot(meter.registry)]) },
    });
    log.info("daemon.ready", { directory: settings.directory });
    const signal = await ending;
    log.info("daemon.stopping", { signal });
    certifier.close();
    await health.close();
    log.info("daemon.stopped");
    process.exit(0);
  } catch (error) {
    log.error("daemon.failed", { error });
    process.exit(1);
  }
}

await main();
