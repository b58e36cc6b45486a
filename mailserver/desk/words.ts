/**
 * What is asked of a running daemon about its queue, and what it answers: one line of JSON each way. Several workers,
 * and several daemons, answer alike, so that their answers add up.
 */
import { z } from "zod";

const Ids = z.array(z.string().min(1).max(64)).min(1).max(1_000);

export const DeskRequest = z.discriminatedUnion("verb", [
  z.strictObject({
    verb: z.literal("list"),
    state: z.enum(["held", "deferred"]).optional(),
    limit: z.int().min(1).max(10_000),
  }),
  z.strictObject({ verb: z.enum(["show", "retry", "hold", "release", "drop", "restore"]), ids: Ids }),
  z.strictObject({ verb: z.literal("flush") }),
]);
export type DeskRequest = z.infer<typeof DeskRequest>;

const Answer = z.object({
  code: z.int(),
  status: z.string(),
  text: z.string(),
  host: z.string().optional(),
});

const DeskItem = z.object({
  id: z.string(),
  created: z.number(),
  size: z.int(),
  envelope: z.object({ from: z.string() }),
  recipients: z
    .array(
      z.object({
        address: z.string(),
        destination: z.string(),
        state: z.string(),
        attempts: z.int(),
        nextAttempt: z.number(),
        lastAnswer: Answer.optional(),
      }),
    )
    .readonly(),
  history: z.array(z.object({ at: z.number(), seq: z.int(), state: z.string(), answer: Answer })).readonly(),
});
export type DeskItem = z.infer<typeof DeskItem>;

const DeskCounts = z.object({
  items: z.int(),
  held: z.int(),
  deferred: z.int(),
  unreadable: z.int(),
  /** When the oldest was taken. */
  oldest: z.number().optional(),
});
export type DeskCounts = z.infer<typeof DeskCounts>;

export const DeskAnswer = z.object({
  /** Items that were asked for; a list has no history. */
  items: z.array(DeskItem),
  /** Items that can't be read: they lie aside and nothing is done with them. */
  setAside: z.array(z.object({ id: z.string(), at: z.number(), cause: z.string() })),
  /** Which of the ids there are, and how many recipients changed. */
  found: z.record(z.string(), z.int()),
  /** Of items that were to be restored, what of each can't be read still. */
  unreadable: z.record(z.string(), z.array(z.string())).default({}),
  /** Recipients that a flush made due. */
  flushed: z.int(),
  counts: DeskCounts,
  /** Who should have answered and did not. */
  silent: z.array(z.string()),
});
export type DeskAnswer = z.infer<typeof DeskAnswer>;

/** What a daemon without a queue would answer. */
export const NOTHING: DeskAnswer = {
  items: [],
  setAside: [],
  found: {},
  unreadable: {},
  flushed: 0,
  counts: { items: 0, held: 0, deferred: 0, unreadable: 0 },
  silent: [],
};

/** The answers of several as that of one. */
export function merge(answers: readonly DeskAnswer[], limit = Number.POSITIVE_INFINITY): DeskAnswer {
  return {
    items: answers
      .flatMap(({ items }) => items)
      .sort((a, b) => a.created - b.created)
      .slice(0, limit),
    setAside: answers.flatMap(({ setAside }) => setAside),
    found: Object.assign({}, ...answers.map(({ found }) => found)),
    unreadable: Object.assign({}, ...answers.map(({ unreadable }) => unreadable)),
    flushed: answers.reduce((sum, { flushed }) => sum + flushed, 0),
    counts: sumCounts(answers.map(({ counts }) => counts)),
    silent: answers.flatMap(({ silent }) => silent),
  };
}

/** The counts of several queues as those of one. */
export function sumCounts(all: readonly DeskCounts[]): DeskCounts {
  const sum = (of: "items" | "held" | "deferred" | "unreadable"): number =>
    all.reduce((total, each) => total + each[of], 0);
  const oldest = all.flatMap((each) => each.oldest ?? []);
  return {
    ...{ items: sum("items"), held: sum("held"), deferred: sum("deferred"), unreadable: sum("unreadable") },
    ...(oldest.length > 0 && { oldest: Math.min(...oldest) }),
  };
}
