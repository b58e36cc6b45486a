/** The operations of RecordSeen; loaded by the shim when one runs. */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { type Answer, compare, Inputs, shape, unseen } from "./diff.ts";

/** The world that is looked at. */
export interface Deps {
  /** Addresses of the zone's name servers. */
  servers(zone: string): Promise<string[]>;
  /** Whether this machine has a way there: one without IPv6 has none to some. */
  reaches(server: string): Promise<boolean>;
  /** The texts that a server has under a name, each in one piece. Rejects with a code of node:dns. */
  texts(server: string, name: string): Promise<string[]>;
  /** Milliseconds since some time. */
  now(): number;
  sleep(ms: number): Promise<unknown>;
  say(text: string): void;
}

/** Nothing there yet, as opposed to no answer. */
const ABSENT = new Set(["ENODATA", "ENOTFOUND"]);
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** A name server whose address can't be had now is not left out. */
function noneOf(error: unknown): string[] {
  if (ABSENT.has(codeOf(error))) return [];
  throw error;
}

/** Addresses of a zone's name servers: IPv6 ones of those that have no other. */
export async function serversOf(
  zone: string,
  resolver: Pick<Resolver, "resolveNs" | "resolve4" | "resolve6">,
): Promise<string[]> {
  const names = await resolver.resolveNs(zone);
  const addresses = await Promise.all(
    names.map(async (name) => {
      const v4 = await resolver.resolve4(name).catch(noneOf);
      return v4.length > 0 ? v4 : resolver.resolve6(name).catch(noneOf);
    }),
  );
  return addresses.flat();
}

/** Of an address by itself; one with a port is somebody's own choice. */
async function hasWay(server: string): Promise<boolean> {
  if (!isIPv6(server)) return true;
  const socket = createSocket("udp6");
  try {
    // Sends nothing: the system looks for the way.
    socket.connect(53, server);
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

/** DNS and the clock. */
export const system: Deps = {
  servers: (zone) => serversOf(zone, new Resolver({ timeout: 3_000, tries: 2 })),
  reaches: hasWay,
  texts: async (server, name) => {
    const resolver = new Resolver({ timeout: 2_000, tries: 1 });
    resolver.setServers([server]);
    return (await resolver.resolveTxt(name)).map((strings) => strings.join(""));
  },
  // Whatever somebody does to the clock.
  now: () => performance.now(),
  sleep: (ms) => sleep(ms),
  say: (text) => console.log(text),
};

/** Validates. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says whether something else is to be seen. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/**
 * Waits until every authoritative server of the zone has the record, and tells about it when that takes a while.
 * Throws, with what each server says, when the patience is over.
 */
export async function create(props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  const { zone, name, patienceSeconds } = inputs;
  const deadline = deps.now() + patienceSeconds * 1_000;
  const id = `${name}.${zone}`;
  if (patienceSeconds === 0) return { id, outs: inputs };
  let said = "";
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const missing = await missingAt(inputs, deps);
    if (missing.length === 0) return { id, outs: inputs };
    const state = missing.join("; ");
    if (deps.now() + pause > deadline) throw new Error(notSeen(id, patienceSeconds, state));
    if (state !== said && said !== "") deps.say(`${id}: waiting for it to be seen (${state})`);
    said = state;
    await deps.sleep(pause);
  }
}

/** One look: which servers don't have the record, and what they have instead. Empty: each has it. */
export async function missingAt({ zone, name, value, servers }: Inputs, deps: Deps): Promise<string[]> {
  try {
    const known = servers.length > 0 ? servers : await deps.servers(zone);
    if (known.length === 0) return [`no name server of ${zone} has an address`];
    const reached = await Promise.all(known.map((server) => deps.reaches(server)));
    const asked = known.filter((_, at) => reached[at]);
    if (asked.length === 0)
      return [`the name servers of ${zone} have IPv6 addresses alone, and this machine has no IPv6`];
    return unseen(value, await Promise.all(asked.map((server) => ask(server, `${name}.${zone}`, deps))));
  } catch (error) {
    return [`the name servers of ${zone} can't be found (${codeOf(error)})`];
  }
}

async function ask(server: string, name: string, deps: Deps): Promise<Answer> {
  try {
    return { server, found: await deps.texts(server, name) };
  } catch (error) {
    const code = codeOf(error);
    return { server, found: ABSENT.has(code) ? [] : `no answer (${code})` };
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

const notSeen = (id: string, seconds: number, state: string): string =>
  `${id} is not to be seen after ${seconds} seconds: ${state}. Nothing signs with this key yet, and mail goes on as ` +
  "before. Is the zone's name server the one that the records are written to? Then run the update again; " +
  "`semail:dkim.patience: 0` goes on without looking.";
