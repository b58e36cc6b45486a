/**
 * Answers of a moment ago: a burst of messages for one domain asks once. Not for long, since the resolver remembers by
 * itself and a person who repairs a record wants to see the effect.
 */
import { z } from "zod";
import type { DnsMessage } from "./exchange.ts";

const LONGEST_MS = 10_000;
const MOST = 5_000;

const Soa = z.object({ minimum: z.int() });

interface Kept {
  readonly answer: Promise<DnsMessage>;
  until: number;
}

/** `now` in milliseconds. */
export function createMemory(
  now: () => number,
): (key: string, ask: () => Promise<DnsMessage>) => Promise<DnsMessage> {
  const kept = new Map<string, Kept>();
  return (key, ask) => {
    const known = kept.get(key);
    if (known !== undefined && now() < known.until) return known.answer;
    if (kept.size >= MOST) kept.clear();
    // Until it is there, all who ask share it.
    const entry: Kept = { answer: ask(), until: Number.POSITIVE_INFINITY };
    kept.set(key, entry);
    const forget = (): void => {
      if (kept.get(key) === entry) kept.delete(key);
    };
    entry.answer.then((message) => {
      const ms = Math.min(lifetime(message) * 1_000, LONGEST_MS);
      if (ms > 0) entry.until = now() + ms;
      else forget();
    }, forget);
    return entry.answer;
  };
}

/** Seconds; of an absence, as long as the zone's SOA record says (RFC 2308 section 5). */
function lifetime({ answers, authorities }: DnsMessage): number {
  if (answers.length > 0) return Math.min(...answers.map(({ ttl }) => ttl));
  const soa = authorities.find(({ type }) => type === "SOA");
  const minimum = Soa.safeParse(soa?.data).data?.minimum;
  return soa === undefined || minimum === undefined ? 0 : Math.min(soa.ttl, minimum);
}
