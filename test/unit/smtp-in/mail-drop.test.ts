import assert from "node:assert/strict";
import { test } from "node:test";
import { createBoxLine } from "../../../mailserver/courier/box-line.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { SmtpError } from "../../../mailserver/smtp/error.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import { createMailDrop, type Message } from "../../../mailserver/smtp-in/mail-drop.ts";
import { address } from "../../support/sending.ts";

/** What comes of a message when each box takes it, and how many did. */
async function drop(message: Pick<Message, "parcels" | "returns">, room: boolean) {
  let taken = 0;
  let kept = 0;
  const boxes = createBoxLine({
    ...{ hostname: "mx.semail.test", port: 24, clock: systemClock, log: silentLog, onBack: () => {} },
    connections: {
      deliver: async () => {
        taken += 1;
        const outcomes = [{ kind: "delivered", reply: accepted }] as const;
        return { kind: "done", outcomes, tls: undefined, bodyBegan: true };
      },
    },
  });
  const mailDrop = createMailDrop({
    ...{ boxes, clock: systemClock, log: silentLog },
    spool: async () => {
      kept += 1;
    },
    tandem: async () => ({ kind: "wait" }),
    queue: { hasRoom: async () => room },
  });
  const rest = { id: "m", from: address("bob@foreign.test"), proven: true, smtputf8: false, told: {} };
  const answer = await mailDrop({ ...rest, ...message, body: Buffer.from("x\r\n") }).then(
    ({ kind }) => kind as string,
    (error: unknown) => (error instanceof SmtpError ? String(error.reply.code) : String(error)),
  );
  return { answer, taken, kept };
}

const parcel = (uid: string, forward?: string): Message["parcels"][number] => ({
  box: { kind: "box", uid, host: `box-${uid}`, ...(forward === undefined ? {} : { forward }) },
  address: address(`${uid}@semail.test`),
  wishes: {},
});

const CASES: Readonly<
  Record<string, readonly [Pick<Message, "parcels" | "returns">, full: object, roomy: object]>
> = {
  "for one box": [
    { parcels: [parcel("alice")] },
    { answer: "accept", taken: 1, kept: 0 },
    { answer: "accept", taken: 1, kept: 0 },
  ],
  "for one who forwards it": [
    { parcels: [parcel("alice", "alice@elsewhere.test")] },
    { answer: "452", taken: 0, kept: 0 },
    { answer: "accept", taken: 1, kept: 1 },
  ],
  "for several boxes, which take it": [
    { parcels: [parcel("alice"), parcel("bob")] },
    { answer: "accept", taken: 2, kept: 0 },
    { answer: "accept", taken: 2, kept: 0 },
  ],
};
for (const [name, [message, full, roomy]] of Object.entries(CASES)) {
  test(`a message ${name}: no box has a copy of what is answered 452 since the spool is full`, async () => {
    assert.deepEqual(await drop(message, false), full);
    assert.deepEqual(await drop(message, true), roomy);
  });
}
