/** Under which user id of the host each person's box runs. Pure. */
import { createHash } from "node:crypto";

/** What systemd's table of user ids (UIDS-GIDS) leaves to nobody: 1879048192 to 2147352575. */
const FIRST = 0x7000_0000;
const COUNT = 0x0ffe_0000;

/** The one of all boxes, where the engine knows no others: that of the image. */
export const SHARED_USER = 5000;

/**
 * An id for each uid, no two the same. It follows from the stack's and the person's name, so it needs no state and stays
 * as people come and go. Of two who would have the same, the first by alphabet has it; should that move somebody, their
 * mail goes over to the new one when their box is made anew.
 */
export function boxUsers(prefix: string, uids: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Set<number>();
  const users = new Map<string, number>();
  for (const uid of uids.toSorted()) {
    let attempt = 0;
    let user = userOf(prefix, uid, attempt);
    while (taken.has(user)) {
      attempt += 1;
      user = userOf(prefix, uid, attempt);
    }
    taken.add(user);
    users.set(uid, user);
  }
  return users;
}

function userOf(prefix: string, uid: string, attempt: number): number {
  const digest = createHash("sha256").update(`${prefix} ${uid} ${attempt}`).digest();
  return FIRST + (digest.readUInt32BE(0) % COUNT);
}
