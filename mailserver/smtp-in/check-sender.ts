/** Asks DNS who may have sent a message: SPF, DKIM, DMARC and ARC by mailauth, within a time limit. */
import { Resolver } from "node:dns/promises";
import { Readable } from "node:stream";
import type { AuthenticateResult, DNSResolver } from "mailauth";
import { type Field, formatMessage, type Message } from "../message/header.ts";
import type { Log } from "../net/log.ts";
import type { SenderFacts } from "../policy/sender.ts";
import type { Clock } from "../queue/clock.ts";

/** Where a message came from. */
export interface Origin {
  /** For the log. */
  readonly id: string;
  readonly ip: string;
  readonly helo: string;
  /** The reverse-path; empty when it is null. */
  readonly from: string;
}

export interface SenderCheckDeps {
  /** Our name in Authentication-Results (RFC 8601 section 2.2, authserv-id). */
  readonly hostname: string;
  readonly query: DNSResolver;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Checked {
  readonly facts: SenderFacts;
  /** Authentication-Results and Received-SPF, with their line ends. */
  readonly fields: string;
}

/** Never rejects. */
export type CheckSender = (message: Message, origin: Origin) => Promise<Checked>;

/** Nobody signs more often; each signature costs us a look-up and a pass over the message (RFC 6376 section 8.4). */
const MAX_SIGNATURES = 10;
/** SPF may ask ten questions, each of which may ask ten (RFC 7208 section 4.6.4); this is far beyond what is real. */
const MAX_QUERIES = 100;

/** DNS through the given resolvers only, never those of the machine. */
export function createQuery(servers: readonly string[]): DNSResolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers(servers);
  return async (name, type) => (await resolver.resolve(name, type)) as string[] | string[][];
}

export function createSenderCheck(deps: SenderCheckDeps): CheckSender {
  const { hostname, log, clock, timeoutMs } = deps;
  return async (message, { id, ip, helo, from }) => {
    const limited = limitQueries(deps.query, { clock, timeoutMs });
    try {
      // Loaded when it is first needed: the queue's thread runs the same bundle and never needs it.
      const { authenticate } = await import("mailauth");
      const result = await authenticate(stream(withFewSignatures(message)), {
        ...{ ip, helo, sender: from, mta: hostname, resolver: limited.query },
        disableBimi: true,
        // RFC 8301 section 3.1: rsa-sha1 proves nothing.
        rejectRsaSha1: true,
      });
      const facts = toFacts(result);
      const dkim = result.dkim.results.map(
        ({ signingDomain, status }) => `${signingDomain}: ${status.result}`,
      );
      log.info("smtp.sender.checked", { message: id, spf: spfOf(result).result, dkim, ...facts });
      return { facts, fields: result.headers };
    } catch (error) {
      // What a stranger wrote must never be the reason to lose a message.
      log.error("smtp.policy.error", { message: id, error });
      const facts = { dmarc: "temperror", policy: "none", domain: "", ambiguous: false, unsure: true };
      return {
        facts: { ...facts, dnsFailed: true },
        fields: `Authentication-Results: ${hostname}; none\r\n`,
      };
    } finally {
      limited.done();
    }
  };
}

/** Questions after the time or beyond the number fail as if DNS were silent, which makes every check end at once. */
function limitQueries(
  query: DNSResolver,
  { clock, timeoutMs }: Pick<SenderCheckDeps, "clock" | "timeoutMs">,
) {
  const expired = Promise.withResolvers<never>();
  expired.promise.catch(() => {});
  const silence = () => Object.assign(new Error("DNS took too long"), { code: "ETIMEOUT" });
  const done = clock.after(timeoutMs, () => expired.reject(silence()));
  let asked = 0;
  const limited: DNSResolver = (name, type) => {
    asked += 1;
    return asked > MAX_QUERIES
      ? Promise.reject(silence())
      : Promise.race([query(name, type), expired.promise]);
  };
  return { query: limited, done };
}

function withFewSignatures({ fields, body }: Message): Message {
  let seen = 0;
  const few = (field: Field): boolean => field.name !== "dkim-signature" || ++seen <= MAX_SIGNATURES;
  return { fields: fields.filter(few), body };
}

/** Without a copy of the body, which may be large. */
function stream({ fields, body }: Message): Readable {
  return Readable.from([formatMessage({ fields, body: Buffer.alloc(0) }), body]);
}

function spfOf({ spf }: AuthenticateResult): { result: string; domain: string } {
  return spf === false ? { result: "none", domain: "" } : { result: spf.status.result, domain: spf.domain };
}

function toFacts(result: AuthenticateResult): SenderFacts {
  const { dmarc, dkim, dmarcSkipReason } = result;
  const spf = spfOf(result);
  const failed = dkim.results.filter(({ status }) => status.result === "temperror");
  const organisation = dmarc === false ? "" : dmarc.domain;
  // Only what could have made DMARC pass: somebody else's broken DNS is no shelter for a forger.
  const unsure =
    (spf.result === "temperror" && within(spf.domain, organisation)) ||
    failed.some(({ signingDomain = "" }) => within(signingDomain, organisation));
  return {
    dmarc: dmarc === false ? "none" : dmarc.status.result,
    policy: dmarc === false ? "none" : dmarc.policy,
    domain: dmarc === false ? "" : (dmarc.status.header?.from ?? dmarc.domain),
    ambiguous: dmarcSkipReason === "multiple-from-fields" || dmarcSkipReason === "multiple-author-domains",
    unsure,
    dnsFailed:
      spf.result === "temperror" || failed.length > 0 || (dmarc && dmarc.status.result === "temperror"),
  };
}

/** Relaxed alignment (RFC 9989 section 4.10.2), as far as it can be told without DNS. */
function within(domain: string, organisation: string): boolean {
  const name = domain.toLowerCase();
  return organisation !== "" && (name === organisation || name.endsWith(`.${organisation}`));
}
