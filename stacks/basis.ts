/**
 * What the last update made the stack of. An update for one person alone may go on from there without a look at what is
 * everybody's, as long as nothing else has changed since. Pure.
 */
import { hash } from "node:crypto";
import { z } from "zod";
import { isSomebodys, type Named, namedBy } from "./mailbox-resources.ts";
import type { StackConfig, UserConfig } from "./schema.ts";

/** The stack output `basis`: digests, in hexadecimal. */
export const Basis = z.object({
  /** Of the project's code and packages. */
  code: z.string(),
  /** Of the config without its people. */
  config: z.string(),
  /** Of each person's entry in the config, by uid. */
  people: z.record(z.string(), z.string()),
  /** `TYPE::NAME` of each resource but the mailboxes. */
  resources: z.array(z.string()),
});
export type Basis = z.infer<typeof Basis>;
type Digests = Omit<Basis, "resources">;

const digest = (value: unknown): string => hash("sha256", JSON.stringify(value));

/** Of a person's entry in the config. */
export const entryDigest = (user: UserConfig): string => digest(user);

/** An update for one person alone. */
export interface ForPerson {
  readonly uid: string;
  /** Digests of their entry as it was before the change that was asked for, and as it is with it. */
  readonly entries: readonly string[];
}

/** What an update of that config by that code is made of. */
export function basisOf({ users, ...rest }: StackConfig, code: string): Digests {
  const people = Object.entries(users).map(([uid, user]): [string, string] => [uid, entryDigest(user)]);
  return { code, config: digest(rest), people: Object.fromEntries(people) };
}

/**
 * What else than that change of the person's entry is different from what the last update made; empty when nothing is.
 * What an administrator changed of the entry may concern others: who gets the mail to an address that was theirs.
 */
export function othersChanged({ uid, entries }: ForPerson, prior: unknown, now: Digests): string[] {
  const known = Basis.safeParse(prior).data;
  if (!known) return ["the version that made the stack"];
  const uids = new Set([...Object.keys(known.people), ...Object.keys(now.people)]);
  const isSame = (each: string): boolean =>
    each === uid ? entries.includes(known.people[uid] ?? "") : known.people[each] === now.people[each];
  return [
    ...(known.code === now.code ? [] : ["the code"]),
    ...(known.config === now.config ? [] : ["the config"]),
    ...[...uids]
      .filter((each) => !isSame(each))
      .sort()
      .map((each) => `semail:users.${each}`),
  ];
}

/** A resource as the basis names it. */
export const keyOf = ({ type, name }: Named): string => `${type}::${name}`;

/** Everybody's of the declared resources: all but people's own, which come and go. */
export function sharedOf<Each extends Named>(declared: readonly Each[]): Each[] {
  return declared.filter((each) => !isSomebodys(each));
}

/**
 * What the last update to come to its end had and the state has no more, or not yet again. A program that is to leave it
 * as it is would make nothing of it, and outputs that nobody knows.
 */
export function missingNow(prior: unknown, urns: readonly string[]): string[] {
  const there = new Set(urns.map((urn) => keyOf(namedBy(urn))));
  const missing = (Basis.safeParse(prior).data?.resources ?? []).filter((key) => !there.has(key));
  return missing.map((key) => `the state, which has no ${key.slice(key.indexOf("::") + 2)},`);
}

/** Begins what {@link refusalOf} says, in a text with much else. */
export const CHANGED_SINCE = "More than this mailbox would change";

/** The refusal of an update for that person alone, for the administrator; undefined where it may be made. */
export function refusalOf(uid: string, changed: readonly string[]): string | undefined {
  if (changed.length === 0) return undefined;
  const shown = changed.length > 10 ? [...changed.slice(0, 10), `${changed.length - 10} more`] : changed;
  return `${CHANGED_SINCE} (${uid}): since the last update ${shown.join(", ")} changed. Run \`npm run up\` first.`;
}
