/**
 * How many people had a uid before who has it now: another person's initial password is not that of who left, whether or
 * not there is still mail of theirs. Pure.
 */
import { z } from "zod";
import type { MailboxRecord } from "./plan.ts";

/** The stack output `formerHolders`, by uid; who was the first to have theirs is not in it. */
export const FormerHolders = z.record(z.string(), z.int().min(1));
export type FormerHolders = z.infer<typeof FormerHolders>;

export interface HolderFacts {
  /** Uids of the config. */
  readonly uids: readonly string[];
  /** Uids that the config of the last update had. */
  readonly before: readonly string[];
  /** What the last update counted; undefined before the first that did. */
  readonly prior: FormerHolders | undefined;
  /** What the last update knew of mailboxes. */
  readonly mailboxes: readonly MailboxRecord[];
}

/**
 * Counts those who leave with this update. It never changes for somebody who is there, since their password would be set
 * anew; but a version that doesn't count keeps no account, and whoever was there while it ran is the first.
 */
export function countFormer({ uids, before, prior, mailboxes }: HolderFacts): FormerHolders {
  const former = new Map(Object.entries(prior ?? {}));
  const here = new Set(uids);
  const left = prior === undefined ? mailboxes.flatMap((record) => (record.left ? [record.uid] : [])) : [];
  for (const uid of new Set([...before, ...left]))
    if (!here.has(uid)) former.set(uid, (former.get(uid) ?? 0) + 1);
  return Object.fromEntries(former);
}
