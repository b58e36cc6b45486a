/** A queue's answer as a person reads it. Pure: the time is given. Addresses and states, never what a message says. */
import type { DeskAnswer, DeskItem, DeskRequest } from "./words.ts";

/** What to print, and whether all that was asked for was there. */
export interface Said {
  readonly out: string;
  readonly err: string;
  readonly complete: boolean;
}

const DONE = {
  retry: [
    "is tried now",
    "has nobody who waits to be tried: one that is held is released with `queue release ID`",
  ],
  hold: ["is held: `queue release ID` lets it go", "has nobody who could be held"],
  release: ["is released and tried now", "has nobody who is held"],
  drop: ["is dropped: nobody is told", "is dropped"],
  restore: ["is back in the queue and tried now", "is back in the queue: nobody of it waits to be tried"],
} as const;

/** What to say of the answer. */
export function say(request: DeskRequest, answer: DeskAnswer, now: number): Said {
  const missing = "ids" in request ? request.ids.filter((id) => !Object.hasOwn(answer.found, id)) : [];
  const err = [
    ...missing.map((id) =>
      request.verb === "restore"
        ? `No item ${id} was set aside. \`queue list\` shows what was.`
        : `There is no item ${id}: it was delivered or dropped, or never was. \`queue list\` shows what waits.`,
    ),
    ...Object.entries(answer.unreadable).map(
      ([id, faults]) => `${id} stays aside, since it can't be read: ${faults.join("; ")}.`,
    ),
    ...answer.silent.map(
      (who) => `${who} does not answer: what it has in its queue is missing here. Run this again.`,
    ),
  ];
  return {
    out: body(request, answer, now)
      .map((line) => `${line}\n`)
      .join(""),
    err: err.map((line) => `${clean(line)}\n`).join(""),
    complete: err.length === 0,
  };
}

function body(request: DeskRequest, answer: DeskAnswer, now: number): string[] {
  if (request.verb === "list") return listing(request, answer, now);
  if (request.verb === "flush") return [`${count(answer.flushed, "recipient")} made due now.`];
  if (request.verb === "show") {
    return [
      ...answer.items.flatMap((item) => shown(item, now)),
      ...answer.setAside.map((each) => aside(each, now)),
    ];
  }
  const [done, nothing] = DONE[request.verb];
  return request.ids.flatMap((id) => {
    const changed = Object.hasOwn(answer.found, id) ? answer.found[id] : undefined;
    if (changed === undefined || Object.hasOwn(answer.unreadable, id)) return [];
    return [
      `${clean(id)} ${changed > 0 ? `${done} (${count(changed, "recipient")})` : nothing}.`.replaceAll(
        "ID",
        clean(id),
      ),
    ];
  });
}

function listing(
  request: DeskRequest & { verb: "list" },
  { items, setAside, counts }: DeskAnswer,
  now: number,
): string[] {
  const { oldest } = counts;
  const total = [
    `${count(counts.items, "item")} in all`,
    `${counts.deferred} deferred`,
    `${counts.held} held`,
    `${counts.unreadable} set aside`,
    ...(oldest === undefined ? [] : [`the oldest ${span(now - oldest)} old`]),
  ].join(", ");
  const cut = items.length >= request.limit ? [`The ${items.length} oldest: \`--limit N\` shows more.`] : [];
  return [
    ...items.flatMap((item) => summary(item, now)),
    ...setAside.map((each) => aside(each, now)),
    ...cut,
    `${total}.`,
  ];
}

function summary(item: DeskItem, now: number): string[] {
  const from = item.envelope.from === "" ? "<>" : item.envelope.from;
  return [
    `${clean(item.id)}  ${size(item.size)}  ${span(now - item.created)} old  from ${clean(from)}`,
    ...item.recipients.map((recipient) => `    ${line(recipient, now)}`),
  ];
}

function line(
  { address, state, attempts, nextAttempt, lastAnswer }: DeskItem["recipients"][number],
  now: number,
) {
  const next = nextAttempt > now ? `next in ${span(nextAttempt - now)}` : "due";
  const words = [
    state,
    ...(attempts > 0 ? [count(attempts, "attempt")] : []),
    ...(state === "pending" ? [next] : []),
  ];
  return clean(`${address}  ${words.join(", ")}${lastAnswer === undefined ? "" : `: ${quoted(lastAnswer)}`}`);
}

function shown(item: DeskItem, now: number): string[] {
  return [
    ...summary(item, now),
    ...item.recipients.map(({ address, destination }) => clean(`    ${address} goes to ${destination}`)),
    ...item.history.map(({ at, seq, state, answer }) => {
      const to = item.recipients[seq]?.address ?? `recipient ${seq}`;
      return clean(`  ${new Date(at).toISOString()}  ${to}  ${state}: ${quoted(answer)}`);
    }),
  ];
}

const quoted = ({
  code,
  status,
  text,
  host,
}: NonNullable<DeskItem["recipients"][number]["lastAnswer"]>): string =>
  `${code} ${status} ${text}${host === undefined ? "" : ` (${host})`}`;

const aside = ({ id, at, cause }: DeskAnswer["setAside"][number], now: number): string =>
  clean(`${id}  set aside ${span(now - at)} ago, it can't be read: ${cause}`);

/** What strangers wrote must not steer the terminal. */
const clean = (text: string): string => text.replaceAll(/\p{Cc}|\p{Cf}/gu, "?");

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
] as const;

/** A time span in its largest unit. */
function span(ms: number): string {
  const [length, name] = UNITS.find(([unit]) => ms >= unit) ?? [1_000, "s"];
  return `${Math.max(Math.floor(ms / length), 0)} ${name}`;
}

const size = (bytes: number): string => (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`);
