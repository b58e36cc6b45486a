/**
 * How full mailboxes are. To ask costs a process in the person's box: it is done once a minute at most, and only a
 * person's first page waits for it, not for long.
 */
import type { OperatorClient } from "../operator/client.ts";
import type { UsageView } from "../operator/protocol.ts";
import { type Clock, within } from "../queue/clock.ts";

/** Undefined when it can't be told now. */
export type Usage = (uid: string) => Promise<UsageView | undefined>;

interface Known {
  readonly shown: Promise<UsageView | undefined>;
  readonly asked: number;
}

const FRESH_MS = 60_000;
const PATIENCE_MS = 1_000;
const MOST = 1_000;

export function createUsage({ usage }: Pick<OperatorClient, "usage">, clock: Clock): Usage {
  const known = new Map<string, Known>();
  const ask = (uid: string): Promise<UsageView | undefined> => {
    if (known.size >= MOST) known.clear();
    const shown = usage(uid).catch(() => undefined);
    known.set(uid, { shown, asked: clock.elapsed() });
    return shown;
  };
  /** Until there is an answer, what was known is shown. */
  const askAgain = async (uid: string, { shown }: Known): Promise<void> => {
    const meanwhile = { shown, asked: clock.elapsed() };
    known.set(uid, meanwhile);
    const answer = await usage(uid).catch(() => undefined);
    if (answer === undefined || known.get(uid) !== meanwhile) return;
    known.set(uid, { ...meanwhile, shown: Promise.resolve(answer) });
  };
  return async (uid) => {
    const last = known.get(uid);
    if (last === undefined) return within(clock, PATIENCE_MS, ask(uid), undefined);
    const found = await within(clock, PATIENCE_MS, last.shown, undefined);
    if (clock.elapsed() - last.asked >= FRESH_MS && known.get(uid) === last) void askAgain(uid, last);
    return found;
  };
}
