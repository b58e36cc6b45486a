import assert from "node:assert/strict";
import { test } from "node:test";
import { SendingSettings, SessionLimits } from "../../../mailserver/contract.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { type Limit, openSendingLimits } from "../../../mailserver/smtp-out/sending-limits.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { Conversation } from "../../support/conversation.ts";
import { outboundHandler } from "../../support/handlers.ts";
import { temporaryFolder } from "../../support/queue.ts";

const NOON = Date.UTC(2026, 0, 2, 12);
const MINUTE = 60_000;
const DAY = 86_400_000;
const settings = SendingSettings.parse({
  messagesPerMinute: 2,
  messagesPerDay: 3,
  newRecipientsPerDay: 4,
  exempt: ["ci"],
});

type Step = readonly [atMs: number, uid: string, recipients: string, want: Limit | undefined];
const cases: Record<string, readonly Step[]> = {
  "messages in a minute": [
    [0, "alice", "a", undefined],
    [1, "alice", "a", undefined],
    [2, "alice", "a", "messagesPerMinute"],
    [2, "bob", "a", undefined],
    [MINUTE, "alice", "a", undefined],
  ],
  "messages on a day, after which others begin anew": [
    [0, "alice", "a", undefined],
    [MINUTE, "alice", "a", undefined],
    [2 * MINUTE, "alice", "a", undefined],
    [3 * MINUTE, "alice", "a", "messagesPerDay"],
    [DAY, "alice", "a", undefined],
  ],
  "new recipients on a day, all or none": [
    [0, "alice", "a b c", undefined],
    [MINUTE, "alice", "d e", "newRecipientsPerDay"],
    [MINUTE, "alice", "A b d d", undefined],
    [DAY, "alice", "a b c d e f g h", undefined],
    [DAY, "alice", "i", "newRecipientsPerDay"],
    [DAY + 91 * DAY, "alice", "a b c d e", "newRecipientsPerDay"],
  ],
  "nothing of those who are exempt": [0, 1, 2, 3, 4].map((at): Step => [at, "ci", `${at} x y z`, undefined]),
};
for (const [name, steps] of Object.entries(cases)) {
  test(`limited: ${name}; a restart forgives nothing`, async () => {
    await using folder = await temporaryFolder();
    for (const [at, uid, recipients, want] of steps) {
      const limits = openSendingLimits({ dir: folder.path, limits: settings, now: () => NOON + at });
      assert.equal(limits.take(uid, recipients.split(" ")), want, `${at} ${uid} ${recipients}`);
      limits.close();
    }
  });
}

test("0 is no limit", async () => {
  await using folder = await temporaryFolder();
  const none = SendingSettings.parse({ messagesPerMinute: 0, messagesPerDay: 0, newRecipientsPerDay: 0 });
  const limits = openSendingLimits({ dir: folder.path, limits: none, now: () => NOON });
  for (let n = 0; n < 1_100; n += 1) assert.equal(limits.take("alice", [`${n}@one.test`]), undefined);
  limits.close();
});

test("who reaches a limit is told so for now, and the postmaster once a day", async () => {
  await using folder = await temporaryFolder();
  let now = NOON;
  const limits = openSendingLimits({ dir: folder.path, limits: settings, now: () => now });
  const items: NewItem[] = [];
  const handler = outboundHandler("submission", [], {
    sending: { settings, limits },
    queue: { enqueue: async (item) => void items.push(item) },
  });
  const session = sessionOptions("submissions", {
    hostname: "mx.semail.test",
    limits: SessionLimits.parse({}),
  });
  const client = await Conversation.open({ session, handler, tls: true });
  await client.say("EHLO client.test");
  await client.auth("alice", "alice-secret");
  const send = async () => {
    for (const line of ["MAIL FROM:<alice@semail.test>", "RCPT TO:<eve@evil.test>", "DATA"])
      await client.say(line);
    return client.say("From: alice@semail.test\r\n\r\nhi\r\n.");
  };
  for (const want of [/^250 /, /^250 /, /^450 4\.7\.1 2 messages in a minute are the limit/, /^450 /]) {
    assert.match(await send(), want);
  }
  const warnings = () => items.filter(({ envelope }) => envelope.from === "");
  assert.equal(items.length, 3);
  assert.deepEqual(warnings()[0]?.recipients, [
    { address: "postmaster@semail.test", destination: "local:postmaster@semail.test" },
  ]);
  assert.match(String(warnings()[0]?.body), /^Subject: alice has reached a sending limit\r$/m);
  now += DAY;
  for (let n = 0; n < 3; n += 1) await send();
  assert.equal(warnings().length, 2);
  limits.close();
});
