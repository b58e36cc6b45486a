/** What senders were told, against what is in the boxes. Pure. */

/** `accepted`: answered 250. `unknown`: the answer was lost on the way. `refused`: answered 4xx or 5xx. */
export type Told = "accepted" | "unknown" | "refused";

export interface Sent {
  readonly id: string;
  /** uids of the boxes that it was for. */
  readonly to: readonly string[];
  readonly told: Told;
}

export interface Verdict {
  /** Answered 250, and not in that box. */
  readonly lost: readonly string[];
  /** More than once in that box. */
  readonly doubled: readonly string[];
  /** In a box although it was refused for all its recipients. */
  readonly unasked: readonly string[];
  readonly accepted: number;
  readonly unknown: number;
  readonly refused: number;
}

/** `found`: by uid, how often each message is in the box. */
export function judge(
  sent: readonly Sent[],
  found: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Verdict {
  const times = (id: string, uid: string): number => found.get(uid)?.get(id) ?? 0;
  const pairs = sent.flatMap(({ id, to, told }) =>
    to.map((uid) => ({ name: `${id} for ${uid}`, id, uid, told })),
  );
  const names = (where: (pair: (typeof pairs)[number]) => boolean): string[] =>
    pairs.filter(where).map(({ name }) => name);
  const count = (told: Told): number => sent.filter((message) => message.told === told).length;
  return {
    lost: names(({ id, uid, told }) => told === "accepted" && times(id, uid) === 0),
    doubled: names(({ id, uid }) => times(id, uid) > 1),
    unasked: names(({ id, uid, told }) => told === "refused" && times(id, uid) > 0),
    accepted: count("accepted"),
    unknown: count("unknown"),
    refused: count("refused"),
  };
}

/** A delivery status notification that arrived. */
export interface Notice {
  /** The message that it is about. */
  readonly of: string;
  /** Its own Message-ID. */
  readonly id: string;
}

/**
 * `failing`: messages of which a recipient is unknown. Each that was accepted is told of once; the same notification in
 * the box twice is a delivery that was doubled, two of them are a fault.
 */
export function dsnFaults(failing: readonly Sent[], notices: readonly Notice[]): string[] {
  const told = Map.groupBy(notices, ({ of }) => of);
  const expected = new Map(failing.map((sent) => [sent.id, sent.told]));
  const missing = failing.filter(({ id, told: how }) => how === "accepted" && !told.has(id));
  const several = [...told].filter(([, all]) => new Set(all.map(({ id }) => id)).size > 1);
  const unasked = [...told.keys()].filter((id) => (expected.get(id) ?? "refused") === "refused");
  return [
    ...missing.map(({ id }) => `no notification of ${id}`),
    ...several.map(([id, all]) => `${all.length} notifications of ${id}`),
    ...unasked.map((id) => `a notification of ${id}, which nobody was promised`),
  ];
}

/** Recipients whose delivery the daemon noted more than once: being killed between 250 and the note explains no such. */
export function settledTwice(log: readonly Readonly<Record<string, unknown>>[]): string[] {
  const byDelivery = Map.groupBy(log, ({ item, to }) => `${item} for ${to}`);
  return [...byDelivery]
    .filter(([, lines]) => lines.length > 1)
    .map(([name]) => `delivered again, though noted: ${name}`);
}
