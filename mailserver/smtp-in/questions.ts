/**
 * What the checks of one message ask DNS. Strangers choose the names and some of the answers, so: only names that can
 * exist are asked, each question once, answers have the shape that their type promises, and no check can use up the
 * questions or the time of another.
 */
import { Resolver } from "node:dns/promises";
import type { DNSResolver } from "mailauth";
import { z } from "zod";
import { squeeze } from "../message/legible.ts";
import type { Clock } from "../queue/clock.ts";

/** Who asks; each has questions of its own. */
export type Asker = "policy" | "spf" | "dkim" | "arc";

export interface QuestionDeps {
  readonly query: DNSResolver;
  readonly clock: Clock;
  /** After this every question that is still open fails as if DNS were silent; what is known stays known. */
  readonly timeoutMs: number;
}

export interface Questions {
  /** The resolver that mailauth is given. */
  as(asker: Asker): DNSResolver;
  done(): void;
}

type Answer = string[][] | string[];
type Kept = { readonly answer: Answer } | { readonly code: string };

/**
 * SPF may ask ten questions, each of which may ask ten (RFC 7208 section 4.6.4); a policy is found in eight, and ten
 * identifiers may be aligned (RFC 9989 section 4.10.2). The others are far beyond what is real.
 */
const QUESTIONS: Readonly<Record<Asker, number>> = { policy: 100, spf: 120, dkim: 20, arc: 60 };

/** Characters of a text; the key of an RSA signature has some 800. */
const LONG_TEXT = 2_000;

const text = z.union([z.string().transform((only) => [only]), z.array(z.string())]);
const SHAPES: ReadonlyMap<string, z.ZodType<unknown[]>> = new Map<string, z.ZodType<unknown[]>>([
  ["TXT", z.array(text)],
  ["A", z.array(z.ipv4())],
  ["AAAA", z.array(z.ipv6())],
  ["MX", z.array(z.object({ exchange: z.string(), priority: z.number() }))],
  ["PTR", z.array(z.string())],
  ["CNAME", z.array(z.string())],
]);

/** DNS through the given resolvers only, never those of the machine. */
export function createQuery(servers: readonly string[]): DNSResolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers(servers);
  return async (name, type) => (await resolver.resolve(name, type)) as string[] | string[][];
}

/** The questions of one message. */
export function createQuestions({ query, clock, timeoutMs }: QuestionDeps): Questions {
  const known = new Map<string, Promise<Kept>>();
  const { promise: late, resolve: expire } = Promise.withResolvers<Kept>();
  let over = false;
  const done = clock.after(timeoutMs, () => {
    over = true;
    expire({ code: "ETIMEOUT" });
  });

  const ask = (name: string, type: string): Promise<Kept> => {
    const key = `${type} ${name}`;
    const kept = known.get(key);
    if (kept !== undefined) return kept;
    if (over) return late;
    const asked = query(name, type).then((found) => read(name, type, found), refused);
    known.set(key, asked);
    return asked;
  };

  const as = (asker: Asker): DNSResolver => {
    let left = QUESTIONS[asker];
    return async (asked, type) => {
      // RFC 1035 section 2.3.3: no difference by case; the root label is not written.
      const name = asked.toLowerCase().replace(/\.$/, "");
      left -= 1;
      const found: Kept = !canExist(name)
        ? { code: "ENOTFOUND" }
        : left < 0
          ? { code: "ETIMEOUT" }
          : // What has been answered counts even when the time is over.
            await Promise.race([ask(name, type), late]);
      if ("answer" in found) return [...found.answer] as Answer;
      // A new one each time: mailauth writes on it.
      throw Object.assign(new Error(`${type} ${name}: ${found.code}`), { code: found.code });
    };
  };
  return { as, done };
}

/** RFC 1035 section 2.3.4, and no character that a resolver might read as an escape or as the end of the name. */
function canExist(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => /^[\x20-\x5b\x5d-\x7e]{1,63}$/.test(label));
}

/** Whatever is not the word that there is nothing is trouble for now. */
function refused(error: unknown): Kept {
  const code = error instanceof Error && "code" in error ? String(error.code) : "ESERVFAIL";
  return { code: code === "EBADNAME" ? "ENOTFOUND" : code };
}

function read(name: string, type: string, found: unknown): Kept {
  const shaped = SHAPES.get(type)?.safeParse(found);
  if (shaped?.success !== true) return { code: "EBADRESP" };
  // RFC 2181 section 5: no record is there twice.
  const once = [...new Map(shaped.data.map((record) => [identity(type, record), legibly(record)])).values()];
  if (once.length === 0) return { code: "ENODATA" };
  return { answer: (type === "TXT" ? keysFirst(name, once as string[][]) : once) as Answer };
}

/** A text that is longer than any that is published in earnest, without the blanks that would keep mailauth busy. */
function legibly(record: unknown): unknown {
  const long = Array.isArray(record) && record.join("").length > LONG_TEXT;
  return long ? [squeeze(record.join(""))] : record;
}

/** RFC 7208 section 3.3: how a text is cut into strings means nothing. */
function identity(type: string, record: unknown): string {
  return type === "TXT" ? (record as string[]).join("") : JSON.stringify(record);
}

/** mailauth reads the first record of a key's name: another text there, as from a wildcard, must not hide the key. */
function keysFirst(name: string, records: string[][]): string[][] {
  if (!name.includes("._domainkey.")) return records;
  const isKey = (record: string[]): boolean => /(?:^|;)\s*p\s*=/.test(record.join(""));
  return records.toSorted((a, b) => Number(isKey(b)) - Number(isKey(a)));
}
