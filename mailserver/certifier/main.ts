/** The certifier: has a public authority issue the certificate that the services show, and keeps it fresh. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CertifierSettings, SETTINGS_FILE } from "../contract.ts";
import { createMeter } from "../metrics/meter.ts";
import { serveMeter } from "../metrics/serve.ts";
import { createLog } from "../net/log.ts";
import { type Daemon, runDaemon } from "../net/run-daemon.ts";
import { readSettings } from "../net/settings.ts";
import { systemClock } from "../queue/clock.ts";
import { createAuthority } from "./authority.ts";
import { type Certifier, startCertifier } from "./certifier.ts";
import { createChallenges } from "./challenges.ts";
import { untilSeen } from "./seen.ts";
import { openStore } from "./store.ts";
import { createTransport, installTransport } from "./transport.ts";

const TIMEOUT_MS = 30_000;
const LOOK_MS = 15_000;
const { now, elapsed } = systemClock;

const secret = async (file: string): Promise<string> => (await readFile(file, "utf8")).trim();

const meter = createMeter();
const log = meter.metered(createLog({ daemon: "certifier" }));

async function certifierOf(settings: CertifierSettings): Promise<Certifier> {
  const { directory, contact, zones, roots, eab, own, names, leaving, records, retry, holdMs } = settings;
  const transport = createTransport({ roots, timeoutMs: TIMEOUT_MS, now });
  installTransport(transport);
  const accountKey = await secret(settings.accountKeyFile);
  const account = eab && { keyId: eab.keyId, key: await secret(eab.keyFile) };
  return startCertifier({
    ...{
      directory,
      names,
      leaving,
      retry,
      holdMs,
      lookMs: LOOK_MS,
      log,
      clock: systemClock,
      random: Math.random,
    },
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
    untilSeen: (list) => untilSeen(list, { ...records, elapsed, sleep }),
    authority: (prove) =>
      createAuthority({
        ...{ directory, accountKey, contact, zones, transport, prove, now, elapsed, sleep },
        eab: account,
      }),
  });
}

async function start(): Promise<Daemon> {
  const settings = await readSettings(CertifierSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
  const certifier = await certifierOf(settings);
  const health = await serveMeter({ meter, settings, healthy: certifier.healthy });
  return {
    ready: { directory: settings.directory },
    close: async () => {
      certifier.close();
      await health.close();
    },
  };
}

await runDaemon(log, start, (code) => process.exit(code));
