/** Requests that wait for an administrator: each is a branch, until that is merged or deleted. Pure. */
import type { RequestView } from "../mailserver/operator/protocol.ts";
import { Refusal } from "./refusal.ts";

/** What all their names begin with. */
export const BRANCHES = "semail/";

/** How many of one person may wait: each is work for somebody. */
const MOST = 5;

type Asked = Pick<RequestView, "kind" | "uid" | "id">;

export const branchOf = ({ kind, uid, id }: Asked): string => `${BRANCHES}${kind}-${uid}-${id.slice(0, 8)}`;

/** Refuses one more branch to a person of whom enough wait. A request that was begun before has its own already. */
export function requireRoom(asked: Asked, waiting: readonly string[]): void {
  const own = branchOf(asked);
  const others = waiting.filter((branch) => branch !== own && isOf(asked.uid, branch));
  if (others.length >= MOST)
    throw new Refusal("approval-limit", `${MOST} requests of theirs wait for an administrator.`);
}

const KINDS: readonly RequestView["kind"][] = ["create", "update", "delete", "cancel-delete"];

/** A uid may have hyphens, so that one is no part of another's name. */
function isOf(uid: string, branch: string): boolean {
  return KINDS.some((kind) => {
    const start = `${BRANCHES}${kind}-${uid}-`;
    return branch.startsWith(start) && /^[^-]+$/.test(branch.slice(start.length));
  });
}
