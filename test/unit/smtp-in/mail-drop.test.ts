import assert from "node:assert/strict";
import { test } from "node:test";
import { createBoxLine } from "../../../mailserver/courier/box-line.ts";
import type { Result } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { QueueFull } from "../../../mailserver/queue/queue.ts";
import { outcomeOf } from "../../../mailserver/smtp/client-transaction.ts";
import { SmtpError } from "../../../mailserver/smtp/error.ts";
import { accepted, reply } from "../../../mailserver/smtp/replies.ts";
import type { Reply } from "../../../mailserver/smtp/types.ts";
import { createMailDrop, type Message } from "../../../mailserver/smtp-in/mail-drop.ts";
import { createSpool } from "../../../mailserver/smtp-in/spool.ts";
import { createTandem } from "../../../mailserver/smtp-in/tandem.ts";
import { item } from "../../support/queue.ts";
import { address } from "../../support/sending.ts";

type Mail = Pick<Message, "parcels" | "returns"> & Partial<Pick<Message, "from" | "proven">>;

interface Case {
  readonly message: Mail;
  /** What boxes answer; others take it. */
  readonly answers?: Readonly<Record<string, Reply>>;
  /** The boxes took other messages a moment ago: so many each. */
  readonly warm?: number;
  /** What a box needs for a message, in milliseconds. */
  readonly ms?: number;
}

const ATTEMPTS = 4;
const BODY = Buffer.from("x\r\n");
const client = { since: systemClock.elapsed(), hold: () => {} };

/** What comes of a message that its sender brings until it is taken, and how many copies the boxes have then. */
async function drop(
  { message, answers = {}, warm = 0, ms = 0 }: Case,
  room: boolean,
  tandem: "none" | "real",
) {
  let taken = 0;
  let kept = 0;
  let trouble = false;
  let passed = 0;
  const clock = { ...systemClock, elapsed: () => systemClock.elapsed() + passed };
  const boxes = createBoxLine({
    ...{ hostname: "mx.semail.test", port: 24, clock, log: silentLog, onBack: () => {} },
    connections: {
      deliver: async ({ host }) => {
        const outcome = outcomeOf((trouble && answers[host]) || accepted);
        if (outcome.kind === "delivered") taken += 1;
        passed += ms;
        return { kind: "done", outcomes: [outcome], tls: undefined, bodyBegan: true };
      },
    },
  });
  const queue = {
    // For boxes that don't take it, those that it is on its way to, forwards and a notification: one copy each.
    hasRoom: async (bytes: number) => room || bytes < 4 * BODY.length,
    enqueue: () => Promise.reject(new QueueFull("the disk is full")),
    enqueueAll: async (items: readonly unknown[]) => {
      if (items.length === 0) return;
      if (!room) throw new QueueFull("the disk is full");
      kept += 1;
    },
  };
  const parts = { boxes, queue, clock, log: silentLog };
  const tracked = { follow: () => {}, newId: () => "item" };
  const mailDrop = createMailDrop({
    ...parts,
    spool: createSpool(
      { hostname: "mx.semail.test", domains: ["semail.test"], ...tracked, ...parts },
      async () => item("dsn", ["bob@foreign.test"]),
    ),
    tandem: tandem === "real" ? createTandem({ ...parts, ...tracked }) : async () => ({ kind: "wait" }),
  });
  const rest = { id: "m", from: address("bob@foreign.test"), proven: true, smtputf8: false, told: {} };
  const bring = (mail: Mail): Promise<string> =>
    mailDrop({ ...rest, ...mail, body: BODY }, client).then(
      ({ kind }) => kind,
      (error: unknown) => (error instanceof SmtpError ? String(error.reply.code) : String(error)),
    );
  for (let count = 0; count < warm; count += 1)
    for (const one of message.parcels) await bring({ parcels: [{ ...one, wishes: {} }] });
  taken = 0;
  trouble = true;
  let answer = "";
  for (let left = ATTEMPTS; left > 0 && answer !== "accept"; left -= 1) answer = await bring(message);
  return { answer, taken, kept };
}

const parcel = (uid: string, forward?: string): Message["parcels"][number] => ({
  box: { kind: "box", uid, host: `box-${uid}`, ...(forward === undefined ? {} : { forward }) },
  address: address(`${uid}@semail.test`),
  wishes: {},
});
const told: Message["parcels"][number] = { ...parcel("alice"), wishes: { notify: ["SUCCESS"] } };
const two = [parcel("alice"), parcel("bob")];
const trouble = { "box-bob": reply(451, "4.3.0", "trouble") };
const silent = { "box-bob": reply(451, "4.4.1", "no answer") };
const gone = { "box-bob": reply(550, "5.7.1", "not that") };

const NONE = { answer: "452", taken: 0, kept: 0 };
const CASES: Readonly<Record<string, readonly [Case, full: object, roomy: object]>> = {
  "for one box": [
    { message: { parcels: [parcel("alice")] } },
    { answer: "accept", taken: 1, kept: 0 },
    { answer: "accept", taken: 1, kept: 0 },
  ],
  "for one box, which has trouble": [
    { message: { parcels: [parcel("bob")] }, answers: trouble },
    NONE,
    { answer: "accept", taken: 0, kept: 1 },
  ],
  "for one who forwards it": [
    { message: { parcels: [parcel("alice", "alice@elsewhere.test")] } },
    NONE,
    { answer: "accept", taken: 1, kept: 1 },
  ],
  "of which its sender wants to be told": [
    { message: { parcels: [told] } },
    NONE,
    { answer: "accept", taken: 1, kept: 1 },
  ],
  "of which its sender wants to be told, for a box that took one a moment ago": [
    { message: { parcels: [told] }, warm: 1 },
    NONE,
    { answer: "accept", taken: 1, kept: 1 },
  ],
  ...Object.fromEntries(
    [{ from: null }, { proven: false }].map((who) => [
      `of which nobody is told, though they want to be: ${JSON.stringify(who)}`,
      [
        { message: { parcels: [told], ...who } },
        { answer: "accept", taken: 1, kept: 0 },
        { answer: "accept", taken: 1, kept: 0 },
      ],
    ]),
  ),
  "for several boxes of which nothing is known": [
    { message: { parcels: two } },
    NONE,
    { answer: "accept", taken: 2, kept: 0 },
  ],
  "for several boxes, one of which has trouble": [
    { message: { parcels: two }, answers: trouble },
    NONE,
    { answer: "accept", taken: 1, kept: 1 },
  ],
  "for several boxes, one of which does not answer": [
    { message: { parcels: two }, answers: silent },
    NONE,
    { answer: "accept", taken: 1, kept: 1 },
  ],
  "for several boxes, one of which refuses it": [
    { message: { parcels: two }, answers: gone },
    NONE,
    { answer: "accept", taken: 1, kept: 1 },
  ],
  "for several boxes, which took one a moment ago and take it": [
    { message: { parcels: two }, warm: 1 },
    { answer: "accept", taken: 2, kept: 0 },
    { answer: "accept", taken: 2, kept: 0 },
  ],
  "for several boxes, which took some a moment ago and take their time": [
    { message: { parcels: two }, warm: 20, ms: 200 },
    { answer: "accept", taken: 2, kept: 0 },
    { answer: "accept", taken: 2, kept: 0 },
  ],
  // Alice's is there before Bob's is known to have trouble; no other is.
  "for several boxes, one of which has trouble from now on": [
    { message: { parcels: two }, answers: trouble, warm: 1 },
    { answer: "452", taken: 1, kept: 0 },
    { answer: "accept", taken: 1, kept: 1 },
  ],
};
for (const [name, [it, full, roomy]] of Object.entries(CASES)) {
  test(`a message ${name}: no box has a copy of what is answered 452 since the spool is full`, async () => {
    assert.deepEqual(await drop(it, false, "none"), full);
    assert.deepEqual(await drop(it, false, "real"), full);
    assert.deepEqual(await drop(it, true, "none"), roomy);
  });
}

/** What a client has waited already, and how long it still waits for a box. */
const WAITED: readonly (readonly [number, number])[] = [
  [0, 120_000],
  [100_000, 20_000],
];
for (const [waited, left] of WAITED) {
  test(`a client that has waited for ${waited} ms since its final dot waits for ${left} ms`, async () => {
    const timers: number[] = [];
    const after = (ms: number): (() => void) => {
      timers.push(ms);
      return () => {};
    };
    const boxes = async (): Promise<Result[]> => [{ kind: "delivered", reply: accepted }];
    const mailDrop = createMailDrop({
      ...{ clock: { elapsed: () => 5_000_000, after }, log: silentLog, queue: { hasRoom: async () => true } },
      boxes: Object.assign(boxes, { restsUntil: () => 0, healthy: () => undefined }),
      ...{ spool: async () => {}, tandem: async () => ({ kind: "wait" }) },
    });
    const rest = { id: "m", from: null, proven: false, smtputf8: false, told: {}, body: Buffer.from("x") };
    await mailDrop({ ...rest, parcels: [parcel("alice")] }, { ...client, since: 5_000_000 - waited });
    assert.deepEqual(timers, [left]);
  });
}
