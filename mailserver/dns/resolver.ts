/**
 * Look-ups that tell whether DNSSEC vouches for the answer, which node:dns does not. The resolver that is asked
 * validates, and stands on a network of the stack's own, so its word (the AD bit, RFC 4035 section 3.2.3) is believed.
 */
import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import type { RecordType } from "dns-packet";
import { z } from "zod";
import type { Dns, DnsAnswer } from "../courier/mx.ts";
import type { SecurityDns } from "../courier/security.ts";
import { DnsError, type DnsMessage, type DnsServer, exchange } from "./exchange.ts";
import { createMemory } from "./memory.ts";

const TIMEOUT_MS = 5_000;
const ROUNDS = 3;
/** Aliases one behind the other; a resolver follows no more either. */
const MAX_ALIASES = 16;

const RCODES: ReadonlyMap<string, string> = new Map([
  ["NXDOMAIN", "ENOTFOUND"],
  ["SERVFAIL", "ESERVFAIL"],
  ["REFUSED", "EREFUSED"],
  ["FORMERR", "EFORMERR"],
  ["NOTIMP", "ENOTIMP"],
]);
/** What another server, or the same one a moment later, would not say differently. */
const FINAL = new Set(["NOERROR", "NXDOMAIN"]);

const Mx = z.object({ preference: z.int().default(0), exchange: z.string() });
const Tlsa = z.object({
  ...{ usage: z.int(), selector: z.int(), matchingType: z.int() },
  certificate: z.instanceof(Uint8Array),
});
const Txt = z.array(z.instanceof(Uint8Array));

/** The MX records as a person is shown them. */
export interface MxRecords {
  resolveMx(name: string): Promise<DnsAnswer<{ exchange: string; priority: number; ttl: number }>>;
}

export interface DnsOptions {
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  /** Of one question to one server. */
  readonly timeoutMs?: number;
  /** Whether answers of a moment ago are given again, their TTL as it was then; otherwise as the resolver has them now. */
  readonly remember?: boolean;
}

/** DNS through the given servers only (`address` or `address:port`), never those of the machine. */
export function createDns(servers: readonly string[], options: DnsOptions): Dns & SecurityDns & MxRecords {
  const known = servers.map(parseServer);
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const remember: ReturnType<typeof createMemory> =
    options.remember === false ? (_key, ask) => ask() : createMemory(options.now);

  /** What was made of an answer that is remembered: each is the answer to one question. */
  const read = new WeakMap<DnsMessage, Settled<unknown>>();

  async function look<T>(
    name: string,
    type: RecordType,
    record: (data: unknown, ttl: number) => T,
  ): Promise<DnsAnswer<T>> {
    const asked = toAscii(name, type);
    const message = await remember(`${type} ${asked.toLowerCase()}`, () =>
      ask(known, { name: asked, type }, timeoutMs),
    );
    const made = read.get(message) ?? settled(() => readAnswer(message, { name: asked, type }, record));
    read.set(message, made);
    if ("error" in made) throw made.error;
    return made.value as DnsAnswer<T>;
  }

  return {
    resolveMx: (name) =>
      look(name, "MX", (data, ttl) => {
        const { exchange, preference } = Mx.parse(data);
        return { exchange, priority: preference, ttl };
      }),
    resolve4: (name) => look(name, "A", (data) => z.ipv4().parse(data)),
    resolve6: (name) => look(name, "AAAA", (data) => z.ipv6().parse(data)),
    resolveTlsa: (name) =>
      look(name, "TLSA", (data) => {
        const { usage, selector, matchingType, certificate } = Tlsa.parse(data);
        return { usage, selector, matching: matchingType, data: Buffer.from(certificate).toString("hex") };
      }),
    resolveTxt: (name) => look(name, "TXT", (data) => Buffer.concat(Txt.parse(data)).toString("utf8")),
  };
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

/** Errors too: to make one costs more than all else in a look-up that is remembered. */
function settled<T>(work: () => T): Settled<T> {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
}

interface Question {
  readonly name: string;
  readonly type: RecordType;
}

/** Each server in turn, three times, until one says something that counts. */
async function ask(servers: readonly DnsServer[], question: Question, ms: number): Promise<DnsMessage> {
  let failure: unknown = new DnsError("ECONNREFUSED", `${question.type} ${question.name}`);
  for (let round = 0; round < ROUNDS; round += 1) {
    let answered = false;
    for (const server of servers) {
      try {
        const message = await exchange(server, question, ms);
        if (FINAL.has(message.rcode)) return message;
        answered = true;
        failure = new DnsError(RCODES.get(message.rcode) ?? "EBADRESP", `${question.type} ${question.name}`);
      } catch (error) {
        failure = error;
        // Nor do they have a shorter answer.
        answered ||= error instanceof DnsError && error.code === "EMSGSIZE";
      }
    }
    // SERVFAIL is what a resolver says of a bogus answer: it has tried for us already.
    if (answered) break;
  }
  throw failure;
}

/** The records at the end of the aliases (RFC 1034 section 3.6.2). Rejects with ENOTFOUND or ENODATA. */
function readAnswer<T>(
  { rcode, answers, flag_ad: secure }: DnsMessage,
  { name: asked, type }: Question,
  record: (data: unknown, ttl: number) => T,
): DnsAnswer<T> {
  const question = `${type} ${asked}`;
  if (rcode !== "NOERROR") throw new DnsError(RCODES.get(rcode) ?? "EBADRESP", question);
  let name = asked.toLowerCase();
  for (let step = 0; step < MAX_ALIASES; step += 1) {
    const alias = answers.find((answer) => answer.type === "CNAME" && answer.name.toLowerCase() === name);
    if (alias === undefined || typeof alias.data !== "string") break;
    name = alias.data.toLowerCase();
  }
  const found = answers.filter((answer) => answer.type === type && answer.name.toLowerCase() === name);
  if (found.length === 0) throw new DnsError("ENODATA", question);
  try {
    return { records: found.map(({ data, ttl }) => record(data, ttl)), secure, name };
  } catch (error) {
    throw new DnsError("EBADRESP", question, error);
  }
}

function toAscii(name: string, type: RecordType): string {
  const ascii = /^[\x21-\x7e]*$/.test(name) ? name : domainToASCII(name);
  const bare = ascii.replace(/\.$/, "");
  // RFC 1035 section 3.1
  const fits = bare.length <= 253 && bare.split(".").every(({ length }) => length > 0 && length <= 63);
  if (!fits) throw new DnsError("EBADNAME", `${type} ${name}`);
  return bare;
}

/** Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. */
export function parseServer(text: string): DnsServer {
  if (isIPv6(text)) return { host: text, port: 53 };
  const [, host = text, port = "53"] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(text) ?? [];
  return { host, port: Number(port) };
}
