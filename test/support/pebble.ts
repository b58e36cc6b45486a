/** A real ACME server (Pebble) for tests. */
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Handle, Lab } from "./docker.ts";
import { untilLine } from "./log-lines.ts";

export interface PebbleOptions {
  readonly network: string;
  /** What it shows itself, for the name `pebble`. */
  readonly identity: { readonly certificate: string; readonly key: string };
  /** `address:port` of the name server by which it validates. */
  readonly dns: string;
  /** Seconds for which it issues. */
  readonly validity?: number;
  /** Names for which it does not. */
  readonly blocked?: readonly string[];
  /** Keys of the accounts that it knows, by their id, in base64url: then it takes no other (RFC 8555 section 7.3.4). */
  readonly accounts?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Pebble {
  readonly handle: Handle;
  /** The root of what it issues, PEM; another at each start. */
  roots(): Promise<string>;
}

const MANAGEMENT = "15000/tcp";

/** Listens, as `https://pebble:14000/dir` of the network, when it resolves. */
export async function startPebble(lab: Lab, options: PebbleOptions): Promise<Pebble> {
  const { network, identity, dns, env } = options;
  const handle = await lab.run({
    image: await lab.ensureImage("pebble", join(import.meta.dirname, "../fixtures/images/pebble")),
    networks: { [network]: ["pebble"] },
    // One nonce of seven is refused, as a busy authority does; six in a row would be a failure.
    env: { PEBBLE_DNS: dns, PEBBLE_WFE_NONCEREJECT: "15", PEBBLE_VA_ALWAYS_VALID: "0", ...env },
    settings: { "config.json": config(options), "tls.crt": identity.certificate, "tls.key": identity.key },
    publish: [MANAGEMENT],
  });
  const roots = () => askRoots(handle);
  await untilLine(lab, handle, (line) => line.includes("Listening on: 0.0.0.0:14000"));
  // It says so a moment before it does.
  while ((await roots().catch(() => "")) === "") await sleep(50);
  return { handle, roots };
}

async function askRoots(handle: Handle): Promise<string> {
  const url = `https://127.0.0.1:${await handle.port(MANAGEMENT)}/roots/0`;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  request(url, { rejectUnauthorized: false, agent: false }, (response) => resolve(text(response)))
    .on("error", reject)
    .end();
  return promise;
}

function config({ validity = 7_776_000, blocked = [], accounts }: PebbleOptions): string {
  return JSON.stringify({
    pebble: {
      ...{ listenAddress: "0.0.0.0:14000", managementListenAddress: "0.0.0.0:15000" },
      ...{ certificate: "/settings/tls.crt", privateKey: "/settings/tls.key" },
      ...{ httpPort: 5002, tlsPort: 5001, ocspResponderURL: "", keyAlgorithm: "ecdsa" },
      ...{ externalAccountBindingRequired: accounts !== undefined, externalAccountMACKeys: accounts ?? {} },
      domainBlocklist: blocked,
      retryAfter: { authz: 1, order: 1 },
      certificateValidityPeriod: validity,
      profiles: { default: { description: "for tests", validityPeriod: validity } },
    },
  });
}
