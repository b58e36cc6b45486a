/** Under which user id of the host each mailbox's container runs. Pure. */
import { createHash } from "node:crypto";

/** What systemd's table of user ids (UIDS-GIDS) leaves to nobody: 1879048192 to 2147352575. */
const FIRST = 0x7000_0000;
const COUNT = 0x0ffe_0000;

/** The one of all boxes, where the engine knows no others: that of the image. */
export const SHARED_USER = 5000;

/**
 * An id for each mailbox, no two the same. It follows from the names of stack and mailbox, so it needs no state and stays
 * as people come and go; who gets the uid of somebody whose mail is kept has another. Of two who would have the same, the first by alphabet has it; should that move somebody, their
 * mail goes over to the new one when their box is made anew.
 */
export function boxUsers(prefix: string, mailboxes: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Set<number>();
  const users = new Map<string, number>();
  for (const id of mailboxes.toSorted()) {
    let attempt = 0;
    let user = userOf(prefix, id, attempt);
    while (taken.has(user)) {
      attempt += 1;
      user = userOf(prefix, id, attempt);
    }
    taken.add(user);
    users.set(id, user);
  }
  return users;
}

function userOf(prefix: string, id: string, attempt: number): number {
  const digest = createHash("sha256").update(`${prefix} ${id} ${attempt}`).digest();
  return FIRST + (digest.readUInt32BE(0) % COUNT);
}
