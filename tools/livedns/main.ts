/** A LiveDNS-compatible DNS service for development and tests: HTTP API in front of a Knot DNS in the same container. */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { serve } from "@hono/node-server";
import pino from "pino";
import { z } from "zod";
import { makeApi } from "./api.ts";
import { startKnot } from "./knot.ts";
import { addressType, DEFAULT_TTL, isZoneName } from "./zone.ts";

const Env = z.object({
  /** Zones to be there at start, separated by spaces. Those that exist are kept as they are. */
  LIVEDNS_ZONES: z
    .string()
    .default("")
    .transform((text) => text.toLowerCase().split(/\s+/).filter(Boolean))
    .refine((zones) => zones.every(isZoneName), "must be domain names separated by spaces"),
  /** The address of ns1 in these zones: where this container is reached. */
  LIVEDNS_NS_ADDRESS: z
    .string()
    .default("127.0.0.1")
    .refine((text) => isIP(text) !== 0, "must be an IP address"),
});

const TOKEN_FILE = "/settings/token";
const READ_ONLY_TOKEN_FILE = "/settings/read-only-token";
const HTTP_PORT = 8080;
const STOP_MS = 2_000;

const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime });

async function readOnlyToken() {
  const text = await readFile(READ_ONLY_TOKEN_FILE, "utf8").catch(() => "");
  return text.trim() === "" ? {} : { readOnlyToken: text.trim() };
}

async function main(): Promise<void> {
  const env = Env.parse(process.env);
  const token = (await readFile(TOKEN_FILE, "utf8")).trim();
  if (token.length < 16) throw new Error(`${TOKEN_FILE} must hold a token of at least 16 characters`);
  const knot = await startKnot({
    runDir: "/run/livedns",
    dataDir: "/var/lib/knot",
    port: 53,
    zones: env.LIVEDNS_ZONES,
    address: env.LIVEDNS_NS_ADDRESS,
    log: (line) => log.warn({ event: "livedns.knot" }, line),
  });
  // A kept zone may remember an address from before.
  const type = addressType(env.LIVEDNS_NS_ADDRESS);
  const here = { type, ttl: DEFAULT_TTL, values: [env.LIVEDNS_NS_ADDRESS] };
  for (const zone of env.LIVEDNS_ZONES) await knot.change(zone, [{ owner: `ns1.${zone}.`, ...here }]);

  const app = makeApi({
    knot,
    token,
    ...(await readOnlyToken()),
    log: (event, fields) => log.info({ event, ...fields }),
  });
  const server = serve({ fetch: app.fetch, port: HTTP_PORT }, () =>
    log.info({ event: "livedns.ready", zones: knot.zones() }),
  );

  async function stop(): Promise<void> {
    server.close();
    setTimeout(() => process.exit(0), STOP_MS).unref();
    await knot.stop();
    process.exit(0);
  }
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  knot.exited.then((why) => {
    log.fatal({ event: "livedns.stopped" }, why);
    process.exit(1);
  });
}

main().catch((error: unknown) => {
  log.fatal({ event: "livedns.start-failed" }, error instanceof Error ? error.message : String(error));
  process.exit(1);
});
