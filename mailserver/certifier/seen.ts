/** Waits until every authoritative name server shows a record: the authority may ask any of them. */
import { isIPv6 } from "node:net";
import { type DnsServer, exchange, NO_IPV6 } from "../dns/exchange.ts";
import { parseServer } from "../dns/resolver.ts";
import { CertifierFault } from "./fault.ts";
import type { ChallengeRecord } from "./store.ts";

export interface SeenDeps {
  /** `address` or `address:port` of the zones' name servers; empty: those that DNS names. */
  readonly nameServers: readonly string[];
  /** Who is asked for those, `address` or `address:port`. */
  readonly resolvers: readonly string[];
  readonly patienceMs: number;
  /** Milliseconds; only differences mean something. */
  readonly elapsed: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly ask?: typeof exchange;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const TIMEOUT_MS = 3_000;

/** Rejects with CertifierFault when the patience is over; its message has what each server said last. */
export async function untilSeen(records: readonly ChallengeRecord[], deps: SeenDeps): Promise<void> {
  const deadline = deps.elapsed() + deps.patienceMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    // Looked for anew in each round: that the zone is delegated may be what is waited for.
    const servers = new Map(
      [...new Set(records.map(({ zone }) => zone))].map((zone) => [zone, serversOf(zone, deps)]),
    );
    const missing = (
      await Promise.all(records.map((record) => look(record, servers.get(record.zone), deps)))
    ).flat();
    if (missing.length === 0) return;
    if (deps.elapsed() + pause > deadline) throw unseen(missing, deps.patienceMs);
    await deps.sleep(pause);
  }
}

const SHOWN = 3;

function unseen(missing: readonly string[], patienceMs: number): CertifierFault {
  const more = missing.length > SHOWN ? `; and ${missing.length - SHOWN} more` : "";
  return new CertifierFault({
    code: "unseen",
    message: `after ${Math.round(patienceMs / 1_000)} seconds the records are not to be seen: ${missing.slice(0, SHOWN).join("; ")}${more}`,
    remedy:
      "Are these the name servers of the zone that semail:dns writes to? The registrar says which it is.",
  });
}

async function look(
  { zone, name, value }: ChallengeRecord,
  asked: Promise<DnsServer[]> | undefined,
  deps: SeenDeps,
): Promise<string[]> {
  const host = `${name}.${zone}`;
  try {
    const servers = (await asked) ?? [];
    if (servers.length === 0) return [`no name server of ${zone} has an address`];
    const all = await Promise.all(
      servers.map(async (server) => ({ server: server.host, found: await texts(server, host, deps) })),
    );
    // Those who have nothing but IPv6 are not asked from where there is none.
    const said = all.filter(({ found }) => found !== NO_WAY);
    if (said.length === 0)
      return [`the name servers of ${zone} have IPv6 addresses alone, and there is no IPv6 here`];
    return said.flatMap(({ server, found }) => {
      if (typeof found === "string") return [`${host} at ${server}: ${found}`];
      return found.includes(value)
        ? []
        : [`${host} at ${server}: ${found.length === 0 ? "nothing" : "another value"}`];
    });
  } catch (error) {
    return [`the name servers of ${zone} can't be found (${codeOf(error)})`];
  }
}

async function serversOf(zone: string, deps: SeenDeps): Promise<DnsServer[]> {
  if (deps.nameServers.length > 0) return deps.nameServers.map(parseServer);
  const names = await records(zone, "NS", deps);
  const addresses = await Promise.all(
    names.map(async (name) => {
      const v4 = await records(String(name), "A", deps).catch(() => []);
      return v4.length > 0 ? v4 : records(String(name), "AAAA", deps).catch(() => []);
    }),
  );
  return addresses.flat().map((address) => ({ host: String(address), port: 53 }));
}

async function records(name: string, type: "NS" | "A" | "AAAA", deps: SeenDeps): Promise<unknown[]> {
  const { ask = exchange } = deps;
  let failure: unknown;
  for (const server of deps.resolvers.map(parseServer)) {
    try {
      const { rcode, answers } = await ask(server, { name, type }, TIMEOUT_MS);
      if (rcode === "NOERROR") return answers.filter((each) => each.type === type).map(({ data }) => data);
      failure = new Error(rcode);
    } catch (error) {
      failure = error;
    }
  }
  throw failure ?? new Error("no resolver");
}

const NO_WAY = "no way to it";

/** Or why there is no answer. */
async function texts(server: DnsServer, name: string, deps: SeenDeps): Promise<string[] | string> {
  const { ask = exchange } = deps;
  try {
    const { rcode, answers } = await ask(server, { name, type: "TXT" }, TIMEOUT_MS);
    if (rcode !== "NOERROR" && rcode !== "NXDOMAIN") return `no answer (${rcode})`;
    return answers
      .filter(({ type }) => type === "TXT")
      .map(({ data }) => (Array.isArray(data) ? Buffer.concat(data.filter(Buffer.isBuffer)).toString() : ""));
  } catch (error) {
    const code = codeOf(error);
    return isIPv6(server.host) && NO_IPV6.has(code) ? NO_WAY : `no answer (${code})`;
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error
    ? String(error.code)
    : error instanceof Error
      ? error.message
      : String(error);
