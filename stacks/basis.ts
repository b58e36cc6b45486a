/**
 * What the last update made the stack of. An update for one person alone may go on from there without a look at what is
 * everybody's, as long as nothing else has changed since. Pure.
 */
import { hash } from "node:crypto";
import { z } from "zod";
import { isTheirs, type Named, namedBy } from "./mailbox-resources.ts";
import type { StackConfig } from "./schema.ts";

/** The stack output `basis`: digests, in hexadecimal. */
export const Basis = z.object({
  /** Of the project's code and packages. */
  code: z.string(),
  /** Of the config without its people. */
  config: z.string(),
  /** Of each person's entry in the config, by uid. */
  people: z.record(z.string(), z.string()),
});
export type Basis = z.infer<typeof Basis>;

const digest = (value: unknown): string => hash("sha256", JSON.stringify(value));

/** What an update of that config by that code is made of. */
export function basisOf({ users, ...rest }: StackConfig, code: string): Basis {
  const people = Object.entries(users).map(([uid, user]): [string, string] => [uid, digest(user)]);
  return { code, config: digest(rest), people: Object.fromEntries(people) };
}

/** What else than the person's own entry is different from what the last update made; empty when nothing is. */
export function othersChanged(uid: string, prior: unknown, now: Basis): string[] {
  const known = Basis.safeParse(prior).data;
  if (!known) return ["the version that made the stack"];
  const uids = new Set([...Object.keys(known.people), ...Object.keys(now.people)]);
  const others = [...uids].filter((other) => other !== uid && known.people[other] !== now.people[other]);
  return [
    ...(known.code === now.code ? [] : ["the code"]),
    ...(known.config === now.config ? [] : ["the config"]),
    ...others.sort().map((other) => `semail:users.${other}`),
  ];
}

/** What others have in the program and not in the state, as when an administrator's update failed. */
export function othersMissing(uid: string, declared: readonly Named[], urns: readonly string[]): string[] {
  const key = ({ type, name }: Named): string => `${type}::${name}`;
  const there = new Set(urns.map((urn) => key(namedBy(urn))));
  return declared
    .filter((named) => !isTheirs(uid, named) && !there.has(key(named)))
    .map(({ name }) => `the state, which has no ${name},`);
}

/** Begins what {@link refusalOf} says, in a text with much else. */
export const CHANGED_SINCE = "More than this mailbox would change";

/** The refusal of an update for that person alone, for the administrator; undefined where it may be made. */
export function refusalOf(uid: string, changed: readonly string[]): string | undefined {
  if (changed.length === 0) return undefined;
  const shown = changed.length > 10 ? [...changed.slice(0, 10), `${changed.length - 10} more`] : changed;
  return `${CHANGED_SINCE} (${uid}): since the last update ${shown.join(", ")} changed. Run \`npm run up\` first.`;
}
