/**
 * Whose mail there is in this update: what the config asks for, what the last update left, and the day make the next
 * state. Pure.
 *
 *     in use ── nobody uses it any more ──▶ kept ── its time is over ──▶ gone
 *        ▲                                   │
 *        └────────── taken back ─────────────┘
 *
 * Kept mail is the volume itself, which no container mounts any more: a copy could fail, or lack room, just when it is
 * needed, and would have other UIDs and dates. It is declared until its time is over, so no update takes it by leaving it
 * out; and one update at least, which says so, lies between the last use and the end.
 */
import { z } from "zod";
import { mailboxId, parseMailboxId } from "../mailbox-id.ts";
import { addressesOf } from "../model.ts";
import type { StackConfig, UserConfig } from "../schema.ts";

const DAY_MS = 86_400_000;
/** Later ones are written with a sign, and would sort before all others. */
const LAST_DAY = "9999-12-31";

const MailboxRecord = z.object({
  id: z.string().min(1),
  uid: z.string().min(1),
  name: z.string(),
  addresses: z.array(z.string()),
  /** The day on which it was used last; absent while it is in use. */
  since: z.iso.date().optional(),
  /** The last day on which it is kept. */
  until: z.iso.date().optional(),
  /** Whether its person was taken out of the config: who comes under that uid may be another. */
  left: z.boolean().default(false),
});
/** A mailbox that has mail on the host. */
export type MailboxRecord = z.infer<typeof MailboxRecord>;

/** One that nobody uses. */
export type KeptMailbox = MailboxRecord & { readonly since: string; readonly until: string };

/** The stack output `mailboxes`: what the next update knows of this one. */
export const Mailboxes = z.array(MailboxRecord);

export interface MailboxFacts {
  readonly config: Pick<StackConfig, "users" | "domain" | "retention" | "protect">;
  /** What the last update left; undefined before the first that kept account. */
  readonly prior: readonly MailboxRecord[] | undefined;
  /** `YYYY-MM-DD`, UTC. */
  readonly today: string;
  /** Whether mail whose time is over goes with this update. */
  readonly tidies: boolean;
}

export interface MailboxPlan {
  readonly inUse: readonly MailboxRecord[];
  readonly kept: readonly KeptMailbox[];
  /** Their volumes are removed by this update. */
  readonly discarded: readonly KeptMailbox[];
}

/** A problem of the config, as those of its form. */
export interface MailboxProblem {
  readonly path: string;
  readonly message: string;
}

/** The last day on which mail that was used last on `since` is kept. */
export function keptUntil(since: string, retention: number): string {
  const end = Math.min(Date.parse(since) + retention * DAY_MS, Date.parse(LAST_DAY));
  return new Date(end).toISOString().slice(0, 10);
}

/** The next state, or everything for which it can't be. */
export function planMailboxes(facts: MailboxFacts): MailboxPlan | { problems: MailboxProblem[] } {
  const { config, prior = [], tidies, today } = facts;
  const inUse = Object.entries(config.users).flatMap(([uid, user]) =>
    user.state === "active" ? [recordOf(facts, uid, user)] : [],
  );
  const unused = [...prior.filter(({ id }) => !inUse.some((one) => one.id === id)), ...unknown(facts)].map(
    (record) => asKept(facts, record),
  );
  const problems = [
    ...unused.flatMap((record) => forgotten(facts, record)),
    ...inUse.flatMap((record) => takeovers(facts, record, unused)),
  ];
  if (problems.length > 0) return { problems };
  const announced = (id: string) => prior.some((record) => record.id === id && record.since !== undefined);
  const isOver = ({ id, until }: KeptMailbox) =>
    tidies && announced(id) && (config.retention === 0 || today > until);
  return {
    inUse,
    kept: unused.filter((record) => !isOver(record)),
    discarded: unused.filter(isOver),
  };
}

function recordOf({ config }: MailboxFacts, uid: string, user: UserConfig): MailboxRecord {
  const addresses = addressesOf(uid, user, config.domain);
  return { id: mailboxId(uid, user.mailbox), uid, name: user.name, addresses, left: false };
}

/** Given up before account was kept. */
function unknown(facts: MailboxFacts): MailboxRecord[] {
  if (facts.prior !== undefined) return [];
  return Object.entries(facts.config.users).flatMap(([uid, user]) =>
    user.state === "deleted" ? [recordOf(facts, uid, user)] : [],
  );
}

/** The time begins with the update that takes the mailbox out of use, also where the config has an earlier day. */
function asKept({ config, today }: MailboxFacts, record: MailboxRecord): KeptMailbox {
  const user = userOf(config, record.uid);
  const day = record.since ?? today;
  const since = user?.deletedOn !== undefined && user.deletedOn > day ? user.deletedOn : day;
  // Who comes under the uid afterwards, with a mailbox or without, may be another.
  const left = record.left || user === undefined;
  return { ...record, since, until: keptUntil(since, config.retention), left };
}

const userOf = ({ users }: MailboxFacts["config"], uid: string): UserConfig | undefined =>
  Object.hasOwn(users, uid) ? users[uid] : undefined;

/** With `protect`, the config says twice that a mailbox goes. */
function forgotten({ config, prior = [] }: MailboxFacts, { id, uid, left }: KeptMailbox): MailboxProblem[] {
  const before = prior.find((record) => record.id === id);
  const user = userOf(config, uid);
  if (!config.protect || before === undefined || before.since !== undefined) return [];
  if (user !== undefined && user.state !== "active") return [];
  const what = left ? "is no longer there, and has a mailbox" : `would get another mailbox in place of ${id}`;
  return [
    {
      path: `users.${uid}`,
      message: `${uid} ${what}: first set \`state: deleted\` and \`deletedOn\` there and run an update, or set semail:protect to false`,
    },
  ];
}

/** What would come to somebody of mail, or of names, that were another's. */
function takeovers(
  { config, prior = [] }: MailboxFacts,
  { id, uid, addresses }: MailboxRecord,
  unused: readonly KeptMailbox[],
): MailboxProblem[] {
  const user = userOf(config, uid);
  const path = `users.${uid}`;
  const own = prior.find((record) => record.id === id);
  const back = own?.since !== undefined && own.left;
  const others = unused.filter((record) => record.uid !== uid && !user?.reuse);
  const later = unused.filter(
    (record) => record.uid === uid && parseMailboxId(record.id).number > parseMailboxId(id).number,
  );
  return [
    ...[...(back ? [own] : []), ...later].flatMap((record) =>
      user?.restore ? [] : [{ path, message: sameUid(record, nextNumber(prior, uid)) }],
    ),
    ...others.flatMap((record) =>
      addresses
        .filter((address) => record.addresses.includes(address))
        .map((address) => ({
          path,
          message: `${address} was ${record.uid}'s, whose mail is kept until ${record.until}: with \`reuse: true\` there it is ${uid}'s from now on`,
        })),
    ),
  ];
}

function nextNumber(prior: readonly MailboxRecord[], uid: string): number {
  return 1 + Math.max(...prior.flatMap((one) => (one.uid === uid ? [parseMailboxId(one.id).number] : [0])));
}

/** What {@link takeovers} says, in a text with much else. */
export const TAKEOVER = /semail:users\.\S+: .* is kept until \d{4}-/;

/** Short, since values of the file stand in it: messages are cut. */
function sameUid({ id, until }: MailboxRecord, next: number): string {
  return `mail of an earlier ${id} is kept until ${until}. Who is back sets \`restore: true\` there and has it again; for another person, set \`mailbox: ${next}\`: theirs begins empty`;
}

/** What is new, for a person. */
export function tellMailboxes(
  { inUse, kept, discarded }: MailboxPlan,
  prior: readonly MailboxRecord[] | undefined,
): string[] {
  const before = (id: string) => prior?.find((record) => record.id === id);
  return [
    ...kept
      .filter(({ id }) => prior !== undefined && before(id)?.since === undefined)
      .map(({ id, until }) => `the mail of ${id} is kept until ${until}`),
    ...inUse
      .filter(({ id }) => before(id)?.since !== undefined)
      .map(({ id }) => `${id} has the mail again that was kept`),
    ...discarded.map(({ id, until }) => `the mail of ${id}, kept until ${until}, goes with this update`),
  ];
}
