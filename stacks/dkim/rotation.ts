/**
 * Which DKIM keys are published, and which one signs: what the config asks for, what earlier updates left, and the time
 * make the next state. Pure.
 *
 *     steady ── another key is asked for ──▶ announced ── it is seen ──▶ overlap ── the time is over ──▶ steady
 *
 * Where the update itself publishes the record and waits until it is seen, `announced` lasts within that update.
 */
import { z } from "zod";

const DAY_MS = 86_400_000;

/** What a key is for. Verifiers need the record of a `retired` one for mail that is still on its way. */
export type KeyRole = "signs" | "announced" | "retired";

/** A published record of a key, as somebody enters it by hand. */
const PublishedRecord = z.object({ zone: z.string(), name: z.string(), value: z.string() });
export type PublishedRecord = z.infer<typeof PublishedRecord>;

const KeptKey = z.object({
  key: z.int().min(1),
  role: z.enum(["signs", "announced", "retired"]),
  ed25519: z.boolean(),
  /** When its record may go, ISO 8601; of retired ones. */
  until: z.iso.datetime().optional(),
  records: z.array(PublishedRecord),
});

/** The stack output `dkim`: what the next update knows of this one. */
export const DkimState = z.object({
  phase: z.enum(["steady", "announced", "overlap"]),
  /** Selector that mail is signed with. */
  selector: z.string(),
  keys: z.array(KeptKey).refine((keys) => keys.filter(({ role }) => role === "signs").length === 1, {
    error: "one key signs",
  }),
});
export type DkimState = z.infer<typeof DkimState>;

export interface RotationFacts {
  /** `semail:dkim.rotate`: number of the key that shall sign. */
  readonly wanted: number;
  readonly ed25519: boolean;
  readonly keepDays: number;
  /** What the last update left; undefined before the first. */
  readonly prior: DkimState | undefined;
  /** Whether mail may be signed with another key in this update: its record is there, or waited for. */
  readonly seen: boolean;
  /** Whether records whose time is over go with this update. */
  readonly tidies: boolean;
  readonly now: Date;
}

/** One key in this update. */
export interface PlannedKey {
  readonly key: number;
  readonly role: KeyRole;
  readonly ed25519: boolean;
  readonly until?: string;
  /** Whether it is guarded against deletion: once it has signed, and until it is retired. */
  readonly guarded: boolean;
}

export interface RotationPlan {
  readonly phase: DkimState["phase"];
  /** The one that signs comes first. */
  readonly keys: readonly PlannedKey[];
  /** Numbers of the keys that this update removes. */
  readonly removed: readonly number[];
}

/** The selector of a key's RSA record; its Ed25519 one has the kind behind it. */
export const selectorOf = (key: number, kind: "rsa" | "ed25519" = "rsa"): string =>
  kind === "rsa" ? `semail${key}` : `semail${key}-ed25519`;

/** The next state. Throws when a key is asked for that is no more. */
export function planRotation(facts: RotationFacts): RotationPlan {
  const { wanted, ed25519, prior, seen } = facts;
  const signed = prior?.keys.find(({ role }) => role === "signs");
  if (prior === undefined || signed === undefined)
    return { phase: "steady", keys: [{ key: wanted, role: "signs", ed25519, guarded: true }], removed: [] };
  const known = prior.keys.find(({ key }) => key === wanted);
  const newest = Math.max(...prior.keys.map(({ key }) => key));
  if (known === undefined && wanted < newest) throw new Error(goneText(wanted, newest));
  // A key that was retired only now is published still.
  const switches = wanted !== signed.key && (seen || known?.role === "retired");
  const signs: PlannedKey = {
    ...{ key: switches ? wanted : signed.key, role: "signs", ed25519 },
    // Until an update with it has come to its end, it can be taken back.
    guarded: !switches,
  };
  const announced: PlannedKey[] =
    wanted === signs.key ? [] : [{ key: wanted, role: "announced", ed25519, guarded: false }];
  const retired = retire(facts, switches ? signed : undefined).filter(
    ({ key }) => key !== signs.key && key !== wanted,
  );
  const keys = [signs, ...announced, ...retired];
  const phase = announced.length > 0 ? "announced" : retired.length > 0 ? "overlap" : "steady";
  const removed = prior.keys.map(({ key }) => key).filter((key) => !keys.some((kept) => kept.key === key));
  return { phase, keys, removed };
}

/** Those that stay although nothing is signed with them any more. */
function retire(facts: RotationFacts, justNow: { key: number; ed25519: boolean } | undefined) {
  const { prior, now, keepDays, tidies } = facts;
  const until = new Date(now.getTime() + keepDays * DAY_MS).toISOString();
  const earlier = (prior?.keys ?? []).filter(
    ({ role, until = "" }) => role === "retired" && !(tidies && Date.parse(until) <= now.getTime()),
  );
  return [...(justNow === undefined ? [] : [{ ...justNow, until }]), ...earlier].map(
    ({ key, ed25519, until }): PlannedKey => ({
      ...{ key, role: "retired", ed25519, guarded: false },
      ...(until === undefined ? {} : { until }),
    }),
  );
}

const goneText = (wanted: number, newest: number): string =>
  `dkim.rotate: the key ${selectorOf(wanted)} is no more, and another one of that name would break what was signed with ` +
  `it: count on, from ${newest} to ${newest + 1}`;
