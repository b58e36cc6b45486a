/** A runner that a test sees through: its deliveries end as the test says, its clock is the test's. */
import { RetrySettings } from "../../../mailserver/contract.ts";
import type { Delivery, Result } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { Unreported } from "../../../mailserver/queue/item.ts";
import type { Queue } from "../../../mailserver/queue/queue.ts";
import { type RunnerOptions, startRunner } from "../../../mailserver/queue/runner.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { item } from "../../support/queue.ts";

export const delivered: Result = { kind: "delivered", reply: reply(250, "2.0.0", "ok") };
export const temporary: Result = {
  kind: "temporary",
  reply: reply(451, "4.7.1", "later"),
  host: "mx.one.test",
};
export const permanent: Result = {
  kind: "permanent",
  reply: reply(550, "5.1.1", "nobody"),
  host: "mx.one.test",
};

/** Runs a queue whose deliveries end as `answer` says; `seen` grows with each attempt. */
export function run(
  queue: Queue,
  answer: (address: string) => Result | Promise<Result>,
  rest: Partial<RunnerOptions> = {},
) {
  const seen: { at: number; destination: string; delivery: Delivery }[] = [];
  const reports: Unreported[] = [];
  const clock = new FakeClock(0);
  const ended = Promise.withResolvers<void>();
  const runner = startRunner({
    queue,
    clock,
    retry: RetrySettings.parse({}),
    random: () => 0.5,
    log: silentLog,
    deliver: async (destination, delivery) => {
      seen.push({ at: clock.now(), destination, delivery });
      if (destination === "mx:semail.test") queueMicrotask(ended.resolve);
      return Promise.all(delivery.recipients.map(({ text }) => answer(text)));
    },
    composeDsn: async (failed) => {
      reports.push(failed);
      const envelope = { from: "", eightBit: false, smtputf8: false };
      return item(`dsn-${failed.id}`, [failed.envelope.from], { envelope, created: clock.now() });
    },
    ...rest,
  });
  /** A notification reached its courier. */
  return { seen, reports, clock, runner, notified: ended.promise };
}

/** Whatever was asked of the queue before is answered, and what was asked in turn: each answer takes one round. */
export async function settledDown(queue: Queue): Promise<void> {
  for (let rounds = 0; rounds < 5; rounds += 1) await queue.counts();
}
