/** The certifier as a stack runs it, between a real ACME server (Pebble) and the stack's own name server. */
import { generateKeyPairSync } from "node:crypto";
import { issueAuthority, issueCertificate } from "../../../components/providers/certificate/issue.ts";
import { CertifierSettings } from "../../../mailserver/contract.ts";
import { planImages } from "../../../stacks/image-plans.ts";
import { StackConfig } from "../../../stacks/schema.ts";
import type { Handle, Lab } from "../../support/docker.ts";
import { type LiveDns, liveDns } from "../../support/livedns.ts";
import { untilLine } from "../../support/log-lines.ts";
import { type PebbleOptions, startPebble } from "../../support/pebble.ts";
import { buildPlanned } from "../../support/remote-host.ts";

export const ZONE = "semail.test";
export const NAMES = [`mx.${ZONE}`, `smtp.${ZONE}`, `imap.${ZONE}`, ZONE, `mta-sts.${ZONE}`];
export const TOKEN = "token-for-tests-0123456789abcdef";
const MOUNT = "rw,noexec,nosuid,nodev";

type Settings = Partial<Omit<CertifierSettings, "records">> & { token?: string };
/** A line of a daemon's log. */
export type Entry = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Site {
  readonly network: string;
  /** The volume that services read, and the pair that the stack issued itself. */
  readonly volume: string;
  readonly own: { readonly certificate: string; readonly key: string; readonly ca: string };
  readonly dns: LiveDns;
  start(settings?: Settings): Promise<Handle>;
  /** The roots of what Pebble issues, PEM. */
  roots(): Promise<string>;
  /** The pair that is served, read as a service does it. */
  served(): Promise<{ certificate: string; key: string }>;
  /** The texts at a name of the zone. */
  texts(name: string): Promise<string[]>;
}

interface SiteOptions extends Pick<PebbleOptions, "validity" | "blocked" | "accounts" | "env"> {
  /** Whom Pebble asks instead of the stack's name server. */
  readonly authorityDns?: string;
}

/** As an authority gives it out with the id of an account. */
export const ACCOUNT_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

async function buildImages(lab: Lab): Promise<Record<"certifier" | "livedns", string>> {
  const { images, portal, backup } = StackConfig.parse({ domain: ZONE });
  const { dns } = StackConfig.parse({ domain: ZONE, dns: { provider: "dev" } });
  const plans = await planImages({ images, portal, backup, dns, certificates: { kind: "acme" } });
  const { base, node, certifier, livedns } = plans;
  if (!base || !node || !certifier || !livedns) throw new Error("no plan for the images");
  await buildPlanned(lab.docker, { base, node, certifier, livedns });
  return { certifier: certifier.tag, livedns: livedns.tag };
}

async function ownPair() {
  const now = new Date();
  const ca = await issueAuthority("Test authority", 2, now);
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const issued = await issueCertificate(ca, {
    dnsNames: [...NAMES, "pebble"],
    ipAddresses: [],
    days: 1,
    now,
    keyPem,
  });
  return { certificate: issued.certificatePem, key: issued.privateKeyPem, ca: ca.certificatePem };
}

/** Pebble shows itself with the stack's own certificate: an authority that only `roots` makes known. */
export async function openSite(lab: Lab, options: SiteOptions = {}): Promise<Site> {
  const { certifier, livedns } = await buildImages(lab);
  const [network, volume, own] = await Promise.all([lab.network(), lab.volume(), ownPair()]);
  const tmpfs = (user: number) => ({
    "/run": `${MOUNT},size=8m,uid=${user},gid=${user},mode=0750`,
    "/tmp": `${MOUNT},size=16m,mode=1777`,
  });
  const zones = await lab.run({
    ...{ image: livedns, user: 5053, hardened: true, health: true, tmpfs: tmpfs(5053) },
    networks: { [network]: ["livedns"] },
    env: { LIVEDNS_ZONES: ZONE },
    settings: { token: TOKEN },
    volumes: { "/var/lib/knot": await lab.volume() },
    publish: ["8080/tcp"],
  });
  await zones.waitHealthy();
  const address = await zones.ip();
  const { authorityDns = `${address}:53`, ...authority } = options;
  const pebble = await startPebble(lab, { network, identity: own, dns: authorityDns, ...authority });
  const dns = liveDns(`http://127.0.0.1:${await zones.port("8080/tcp")}/v5/livedns`, TOKEN);
  const account = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  return {
    ...{ network, volume, own, dns },
    start: ({ token = TOKEN, ...more } = {}) => {
      const settings = CertifierSettings.parse({
        ...{
          directory: "https://pebble:14000/dir",
          contact: [`postmaster@${ZONE}`],
          names: NAMES,
          zones: [ZONE],
        },
        roots: [own.ca],
        retry: { firstMs: 500, maxMs: 500 },
        records: {
          ...{ apiUrl: `http://${address}:8080/v5/livedns`, nameServers: [address], resolvers: [address] },
          patienceMs: 20_000,
        },
        ...more,
      });
      return lab.run({
        ...{ image: certifier, user: 5028, hardened: true, health: true, memoryMb: 160, tmpfs: tmpfs(5028) },
        networks: { [network]: ["certifier"] },
        settings: {
          "settings.json": JSON.stringify(settings),
          "account.key": account.export({ type: "pkcs8", format: "pem" }).toString(),
          "dns-token": token,
          "tls.crt": own.certificate,
          "tls.key": own.key,
          "eab.key": ACCOUNT_KEY,
        },
        env: { SETTINGS_VERSION: "1" },
        volumes: { "/certificates": volume },
      });
    },
    roots: pebble.roots,
    served: async () => {
      const reader = await lab.run({
        ...{ image: livedns, user: 5053, hardened: true },
        entrypoint: [
          "sh",
          "-c",
          "cat /certificates/current/tls.crt; echo =====; cat /certificates/current/tls.key",
        ],
        volumes: { "/certificates": `${volume}` },
      });
      await reader.wait();
      const [certificate = "", key = ""] = (await reader.logs()).split("=====\n");
      await reader.remove();
      return { certificate, key };
    },
    texts: async (name) =>
      (await dns.get(ZONE, name, "TXT").catch(() => [])).map((text) => text.replaceAll('"', "")),
  };
}

/** The first entry of a daemon's log that `wanted` says yes to. */
export async function untilLogged(
  lab: Lab,
  handle: Handle,
  wanted: (entry: Entry) => boolean,
): Promise<Entry> {
  const line = await untilLine(lab, handle, (text) => text.startsWith("{") && wanted(JSON.parse(text)));
  return JSON.parse(line);
}
