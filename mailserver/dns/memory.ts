/**
 * Answers of a moment ago: a burst of messages for one domain asks once. Not for long, since the resolver remembers by
 * itself and a person who repairs a record wants to see the effect.
 */
import { z } from "zod";
import type { DnsMessage } from "./exchange.ts";

const LONGEST_MS = 10_000;
/** Strangers choose what is asked and what is answered. */
const MOST = 5_000;
const MOST_BYTES = 8 * 1_048_576;

const Soa = z.object({ minimum: z.int() });

interface Kept {
  readonly answer: Promise<DnsMessage>;
  readonly bytes: number;
  readonly since: number;
  readonly ms: number;
}

/** `now` in milliseconds; only differences mean something. */
export function createMemory(
  now: () => number,
): (key: string, ask: () => Promise<DnsMessage>) => Promise<DnsMessage> {
  const asking = new Map<string, Promise<DnsMessage>>();
  /** In the order in which they came. */
  const kept = new Map<string, Kept>();
  let bytes = 0;

  const forget = (key: string): void => {
    bytes -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  };
  const keep = (key: string, entry: Kept): void => {
    forget(key);
    kept.set(key, entry);
    bytes += entry.bytes;
    // What is over goes, even if nobody asks for it again.
    for (const [oldest, { since }] of kept) {
      if (kept.size <= MOST && bytes <= MOST_BYTES && now() - since < LONGEST_MS) break;
      forget(oldest);
    }
  };
  return (key, ask) => {
    const known = kept.get(key);
    if (known !== undefined && now() - known.since < known.ms) return known.answer;
    // Until it is there, all who ask share it.
    const open = asking.get(key);
    if (open !== undefined) return open;
    const answer = ask();
    asking.set(key, answer);
    const done = (): boolean => asking.delete(key);
    answer.then((message) => {
      done();
      const ms = Math.min(lifetime(message) * 1_000, LONGEST_MS);
      if (ms > 0) keep(key, { answer, bytes: message.bytes, since: now(), ms });
    }, done);
    return answer;
  };
}

/** Seconds; of an absence, as long as the zone's SOA record says (RFC 2308 section 5). */
function lifetime({ answers, authorities }: DnsMessage): number {
  if (answers.length > 0) return Math.min(...answers.map(({ ttl }) => ttl));
  const soa = authorities.find(({ type }) => type === "SOA");
  const minimum = Soa.safeParse(soa?.data).data?.minimum;
  return soa === undefined || minimum === undefined ? 0 : Math.min(soa.ttl, minimum);
}
