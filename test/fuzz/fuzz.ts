/** The search: cases that show something new are kept and changed further. */
import { readdirSync, readFileSync } from "node:fs";
import { type Dialogue, readDialogues } from "../unit/smtp/dialogue.ts";
import { CLIENT_PROFILES, checkClient } from "./client.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { checkServer } from "./server.ts";
import type { Case, Segment, Verdict } from "./types.ts";

const DIALOGUES = new URL("../dialogues/", import.meta.url);
/** Cases that are kept at most. */
const POOL_MAX = 5_000;

function segmentsOf({ steps }: Dialogue): Segment[] {
  const found: Segment[] = [{ text: "" }];
  for (const step of steps) {
    if (step.kind === "mark") found.push(step.mark === "TLS" ? { text: "" } : { mark: step.mark, text: "" });
    if (step.kind !== "client") continue;
    const last = found.pop() ?? { text: "" };
    found.push({ ...last, text: last.text + step.bytes.toString("latin1") });
  }
  return found;
}

/** The client's side of every dialogue. */
function serverSeeds(): Case[] {
  return readdirSync(DIALOGUES).flatMap((file) =>
    readDialogues(readFileSync(new URL(file, DIALOGUES), "utf8")).map(
      (dialogue): Case => ({ target: "server", profile: dialogue.words, segments: segmentsOf(dialogue) }),
    ),
  );
}

/** Peers that behave. */
function clientSeeds(): Case[] {
  const ehlo =
    "250-x\r\n250-8BITMIME\r\n250-DSN\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n";
  const ok = "250 2.0.0 ok\r\n";
  const texts = [
    "220 x\r\n",
    ehlo,
    `${ok}${ok}550 5.1.1 no\r\n${ok}`,
    "354 go\r\n",
    `${ok}${ok}`,
    ok,
    ok,
    ok,
  ];
  return CLIENT_PROFILES.flatMap((profile): Case[] => [
    { target: "client", profile, segments: texts.map((text) => ({ text })) },
    {
      target: "client",
      profile,
      segments: [
        "220 x\r\n",
        `${ehlo.slice(0, -16)}250 STARTTLS\r\n`,
        "220 go\r\n",
        ehlo,
        "235 ok\r\n",
        ...texts.slice(2),
      ].map((text) => ({ text })),
    },
  ]);
}

/** Checks one case. */
export function check(given: Case, random: Random): Verdict {
  return given.target === "server" ? checkServer(given, random) : checkClient(given, random);
}

export interface Found {
  readonly fault: string;
  readonly case: Case;
}

export interface Search {
  /** Cases played so far. */
  readonly count: number;
  /** Cases kept because they showed something new. */
  readonly pool: number;
  readonly found: Found | undefined;
}

/** Plays one case after the other, for ever: what was found stands in each step. */
export function* search(seed: number): Generator<Search, never> {
  const random = new Random(seed);
  const pool = [...serverSeeds(), ...clientSeeds()];
  const seen = new Set<string>();
  const firsts = [...pool];
  for (let count = 1; ; count += 1) {
    const given = firsts.shift() ?? breed(pool, random);
    const { fault, trace } = check(given, random);
    if (isNew(given, trace, seen) && pool.length < POOL_MAX) pool.push(given);
    yield { count, pool: pool.length, found: fault === undefined ? undefined : { fault, case: given } };
  }
}

function breed(pool: readonly Case[], random: Random): Case {
  // The latest are the least explored.
  const at = random.chance(0.5)
    ? pool.length - 1 - random.below(Math.min(50, pool.length))
    : random.below(pool.length);
  const parent = pool[at];
  const other = random.pick(pool.filter(({ target }) => target === parent?.target));
  if (!parent || !other) throw new Error("nothing to begin with");
  return mutate(parent, other, random);
}

function isNew({ target, profile }: Case, trace: readonly string[], seen: Set<string>): boolean {
  const before = seen.size;
  const [kind = ""] = profile;
  trace.forEach((event, index) => {
    seen.add(`${target} ${kind} ${trace[index - 1]} ${event}`);
  });
  return seen.size > before;
}

/** A found case without what its fault does not need. */
export function shrink(found: Found, seed: number): Found {
  const fails = (given: Case): string | undefined => {
    for (let round = 0; round < 3; round += 1) {
      const { fault } = check(given, new Random(seed + round));
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  let best = found;
  for (let changed = true; changed; ) {
    changed = false;
    for (const smaller of reductions(best.case)) {
      const fault = fails(smaller);
      if (fault === undefined) continue;
      best = { fault, case: smaller };
      changed = true;
      break;
    }
  }
  return best;
}

/** The case without a segment, or without a run of lines. */
function* reductions(given: Case): Generator<Case> {
  const { segments } = given;
  for (const [at, segment] of segments.entries()) {
    if (segments.length > 1) yield { ...given, segments: segments.toSpliced(at, 1) };
    const lines = segment.text.split(/(?<=\n)/);
    for (let size = lines.length; size > 0; size = Math.floor(size / 2)) {
      for (let from = 0; from < lines.length; from += size) {
        const text = lines.toSpliced(from, size).join("");
        if (text.length < segment.text.length)
          yield { ...given, segments: segments.with(at, { ...segment, text }) };
      }
    }
  }
}
