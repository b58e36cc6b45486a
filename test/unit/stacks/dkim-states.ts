/** States of DKIM keys in few letters. */
import assert from "node:assert/strict";
import { DkimState, type RotationPlan } from "../../../stacks/dkim/rotation.ts";

export const DAY = 86_400_000;
export const START = Date.parse("2026-11-01T00:00:00.000Z");
const day = (days: number): string => new Date(START + days * DAY).toISOString();

/** `1` signs, `2?` is announced, `3-8` is retired until day 8; `+e` has an Ed25519 key, too. */
export function stateOf(text: string): DkimState {
  const keys = text.split(" ").map((word) => {
    const [, key, mark, until, e] = /^(\d+)(\?|-(\d+))?(\+e)?$/.exec(word) ?? assert.fail(word);
    const role = mark === undefined ? "signs" : mark === "?" ? "announced" : "retired";
    return {
      ...{ key: Number(key), role, ed25519: e !== undefined, records: [] },
      ...(until === undefined ? {} : { until: day(Number(until)) }),
    };
  });
  return DkimState.parse({ phase: "steady", selector: "semail1", keys });
}

/** The same of a plan. */
export const textOf = ({ keys }: Pick<RotationPlan, "keys">): string =>
  keys
    .map(({ key, role, until = "", ed25519 }) => {
      const days = (Date.parse(until) - START) / DAY;
      return `${key}${role === "announced" ? "?" : role === "retired" ? `-${days}` : ""}${ed25519 ? "+e" : ""}`;
    })
    .join(" ");
