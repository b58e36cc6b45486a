import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SendingSettings, SessionLimits } from "../../../mailserver/contract.ts";
import { openLimitsFile } from "../../../mailserver/limits/limits-file.ts";
import { makeField } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { QueueFull } from "../../../mailserver/queue/queue.ts";
import type { HandlerDeps } from "../../../mailserver/smtp-out/handler.ts";
import {
  createSendingLimits,
  type Limit,
  type SendingLimits,
} from "../../../mailserver/smtp-out/sending-limits.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { Conversation } from "../../support/conversation.ts";
import { directory, outboundHandler } from "../../support/handlers.ts";
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

/** The limits as a daemon has them that begins with what is in the folder. */
function open(dir: string, limits: SendingSettings, now: () => number): SendingLimits & Disposable {
  return openLimitsFile(dir, silentLog, (db) =>
    Object.assign(createSendingLimits({ db, limits, now }), { [Symbol.dispose]: () => db.close() }),
  );
}

function take(limits: SendingLimits, uid: string, recipients: readonly string[]): Limit | undefined {
  const taken = limits.take(uid, recipients);
  return taken.kind === "limited" ? taken.limit : undefined;
}

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
  "new recipients on a day, whatever was counted while the clock was ahead": [
    [20 * DAY, "alice", "a b c d", undefined],
    [20 * DAY, "alice", "e", "newRecipientsPerDay"],
    [0, "alice", "e f", undefined],
    [MINUTE, "alice", "g h i", "newRecipientsPerDay"],
    [DAY, "alice", "g h i j", undefined],
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
      using limits = open(folder.path, settings, () => NOON + at);
      assert.equal(take(limits, uid, recipients.split(" ")), want, `${at} ${uid} ${recipients}`);
    }
  });
}

test("0 is no limit", async () => {
  await using folder = await temporaryFolder();
  const none = SendingSettings.parse({ messagesPerMinute: 0, messagesPerDay: 0, newRecipientsPerDay: 0 });
  using limits = open(folder.path, none, () => NOON);
  for (let n = 0; n < 1_100; n += 1) assert.equal(take(limits, "alice", [`${n}@one.test`]), undefined);
});

test("a message that could not be stored is not counted, nor are its recipients", async () => {
  await using folder = await temporaryFolder();
  using limits = open(folder.path, settings, () => NOON);
  for (let n = 0; n < 10; n += 1) {
    const taken = limits.take("alice", [`${n}@one.test`]);
    assert.ok(taken.kind === "counted");
    taken.giveBack();
  }
  assert.equal(limits.would("alice", 4), undefined);
  assert.equal(limits.isNew("alice", "1@one.test"), true);
});

test("what is given back takes nothing from another message to the same recipient", async () => {
  await using folder = await temporaryFolder();
  let now = NOON;
  using limits = open(folder.path, settings, () => now);
  const first = limits.take("alice", ["bob@one.test"]);
  now += 1;
  limits.take("alice", ["bob@one.test"]);
  assert.ok(first.kind === "counted");
  first.giveBack();
  assert.equal(limits.isNew("alice", "bob@one.test"), false);
  assert.equal(limits.would("alice", 4), "newRecipientsPerDay");
});

/** Alice, logged in; what she sends is in `items`. */
async function alice(
  limits: SendingLimits,
  enqueue: (item: NewItem) => Promise<void>,
  more: Partial<HandlerDeps> = {},
) {
  const sending = { settings, limits };
  const handler = outboundHandler("submission", [], { sending, queue: { enqueue }, ...more });
  const session = sessionOptions("submissions", {
    hostname: "mx.semail.test",
    limits: SessionLimits.parse({}),
  });
  const client = await Conversation.open({ session, handler, tls: true });
  await client.say("EHLO client.test");
  await client.auth("alice", "alice-secret");
  return client;
}

const MAIL = "MAIL FROM:<alice@semail.test>";
const TEXT = "From: alice@semail.test\r\n\r\nhi\r\n.";
const rcpt = (name: string) => `RCPT TO:<${name}@evil.test>`;
/** [what is said, what is answered] */
type Line = readonly [string, RegExp];
const message = (...names: string[]): Line[] => [
  [MAIL, /^250 /],
  ...names.map((name): Line => [rcpt(name), /^250 /]),
  ["DATA", /^354 /],
  [TEXT, /^250 /],
];

const dialogues: Record<string, readonly Line[]> = {
  "messages a minute at MAIL": [
    ...message("eve"),
    ...message("eve"),
    [MAIL, /^450 4\.7\.1 2 messages in a minute are the limit: try again in a minute/],
    [rcpt("eve"), /^503 /],
  ],
  "new recipients at RCPT, and those before it get the message": [
    [MAIL, /^250 /],
    ...["a", "b", "c", "A", "d"].map((name): Line => [rcpt(name), /^250 /]),
    [rcpt("e"), /^452 4\.5\.3 4 recipients a day that you never wrote to are the limit/],
    [rcpt("d"), /^250 /],
    ["DATA", /^354 /],
    [TEXT, /^250 /],
    [MAIL, /^250 /],
    [rcpt("e"), /^452 4\.5\.3 /],
    [rcpt("b"), /^250 /],
  ],
  "whom they named, not where those have it forwarded": [
    [MAIL, /^250 /],
    ["RCPT TO:<carol@semail.test>", /^250 /],
    ...["a", "b", "c"].map((name): Line => [rcpt(name), /^250 /]),
    [rcpt("d"), /^452 4\.5\.3 /],
    ["DATA", /^354 /],
    [TEXT, /^250 /],
    [MAIL, /^250 /],
    ["RCPT TO:<Carol@semail.test>", /^250 /],
    ["RCPT TO:<carol@elsewhere.test>", /^452 4\.5\.3 /],
  ],
  "nothing of a transaction that is given up": [
    ...[1, 2, 3].flatMap((): Line[] => [
      [MAIL, /^250 /],
      ...["a", "b", "c", "d"].map((name): Line => [rcpt(name), /^250 /]),
      ["RSET", /^250 /],
    ]),
    ...message("e", "f", "g", "h"),
  ],
};
for (const [name, lines] of Object.entries(dialogues)) {
  test(`a person is told of limits: ${name}`, async () => {
    await using folder = await temporaryFolder();
    using limits = open(folder.path, settings, () => NOON);
    const client = await alice(limits, async () => {});
    for (const [line, want] of lines) assert.match(await client.say(line), want, line);
  });
}

test("sessions side by side are each told at the end of a message, which alone counts", async () => {
  await using folder = await temporaryFolder();
  using limits = open(folder.path, settings, () => NOON);
  const clients = await Promise.all([1, 2, 3].map(() => alice(limits, async () => {})));
  for (const client of clients) {
    for (const line of [MAIL, rcpt("eve"), "DATA"]) assert.match(await client.say(line), /^[23]5/);
  }
  const ends = await Promise.all(clients.map((client) => client.say(TEXT)));
  assert.deepEqual(ends.map((end) => end.slice(0, 9)).sort(), ["250 2.0.0", "250 2.0.0", "450 4.7.1"]);
});

test("a full disk takes no message from a person's count", async () => {
  await using folder = await temporaryFolder();
  using limits = open(folder.path, settings, () => NOON);
  let full = true;
  const client = await alice(limits, async () => {
    if (full) throw new QueueFull("full");
  });
  const send = async () => {
    for (const line of [MAIL, rcpt("eve"), "DATA"]) await client.say(line);
    return client.say(TEXT);
  };
  for (let n = 0; n < 5; n += 1) assert.match(await send(), /^452 4\.3\.1 /);
  full = false;
  assert.match(await send(), /^250 /);
});

test("the postmaster hears once a day of who reached a limit", async () => {
  await using folder = await temporaryFolder();
  let now = NOON;
  using limits = open(folder.path, settings, () => now);
  const items: NewItem[] = [];
  const client = await alice(limits, async (item) => void items.push(item));
  const send = async () => {
    for (const line of [MAIL, rcpt("eve"), "DATA", TEXT]) await client.say(line);
  };
  const warnings = () => items.filter(({ envelope }) => envelope.from === "");
  for (let n = 0; n < 4; n += 1) await send();
  assert.equal(items.length, 3);
  assert.deepEqual(warnings()[0]?.recipients, [
    { address: "postmaster@semail.test", destination: "local:postmaster@semail.test" },
  ]);
  assert.match(String(warnings()[0]?.body), /^Subject: alice has reached a sending limit\r$/m);
  // What it is about, and what to do, whichever it is.
  assert.match(String(warnings()[0]?.body), /^alice was refused a message \(\w+: \d+\)\.\r$/m);
  assert.match(String(warnings()[0]?.body), /may have their password: change it, which lets nobody send/);
  assert.match(String(warnings()[0]?.body), /raise semail:smtpOut\.limits, or name them in its exempt/);
  // A new password alone ends no session in which mail is read.
  assert.match(String(warnings()[0]?.body), /restart their box, which ends the sessions/);
  now += DAY;
  for (let n = 0; n < 3; n += 1) await send();
  assert.equal(warnings().length, 2);
});

describe("a postmaster who reads their mail elsewhere", () => {
  const forward = "admin@elsewhere.test";
  /** Alice is refused a message `times` times; what was queued then. */
  const warned = async (times: number, asked: (address: string) => void = () => {}): Promise<NewItem[]> => {
    await using folder = await temporaryFolder();
    using limits = open(folder.path, settings, () => NOON);
    const items: NewItem[] = [];
    const signers: HandlerDeps["signers"] = [
      { domain: "semail.test", sign: async () => [makeField("DKIM-Signature", "ours")] },
    ];
    const findRecipient = async (address: string): Promise<RecipientAnswer> => {
      asked(address);
      return { kind: "box", uid: "admin", host: "box-admin", forward };
    };
    const client = await alice(limits, async (item) => void items.push(item), {
      ...{ signers, directory: { ...directory, findRecipient } },
    });
    for (let n = 0; n < 2; n += 1) assert.equal(take(limits, "alice", ["eve@evil.test"]), undefined);
    for (let n = 0; n < times; n += 1) assert.match(await client.say(MAIL), /^450 4\.7\.1 /);
    return items;
  };

  test("hears of it there too, in a message that is signed, and to which nothing comes back", async () => {
    const [warning, ...more] = await warned(2);
    assert.deepEqual(more, []);
    assert.equal(warning?.envelope.from, "");
    assert.deepEqual(warning?.recipients, [
      { address: "postmaster@semail.test", destination: "local:postmaster@semail.test" },
      { address: forward, destination: "mx:elsewhere.test", originals: ["postmaster@semail.test"] },
    ]);
    assert.match(String(warning?.body), /^DKIM-Signature: ours\r\nFrom: /);
  });

  test("hears of it as soon as the directory says where that is", async () => {
    let down = 1;
    const items = await warned(3, () => {
      if (down-- > 0) throw new DirectoryUnavailable("down");
    });
    assert.deepEqual(
      items.map(({ recipients }) => recipients.map(({ address }) => address)),
      [["postmaster@semail.test", forward]],
    );
  });
});

test("the postmaster hears of it once a day, also while the clock was ahead before", async () => {
  await using folder = await temporaryFolder();
  let now = NOON + 20 * DAY;
  using limits = open(folder.path, settings, () => now);
  assert.deepEqual([limits.firstToday("alice"), limits.firstToday("alice")], [true, false]);
  now = NOON;
  assert.deepEqual([limits.firstToday("alice"), limits.firstToday("alice")], [true, false]);
});

test("the postmaster hears of it after all when the disk was full at first", async () => {
  await using folder = await temporaryFolder();
  using limits = open(folder.path, settings, () => NOON);
  const told: string[] = [];
  let full = true;
  const client = await alice(limits, async ({ recipients }) => {
    if (full) throw new QueueFull("full");
    told.push(...recipients.map(({ address }) => address));
  });
  for (let n = 0; n < 2; n += 1) assert.equal(take(limits, "alice", ["eve@evil.test"]), undefined);
  for (let n = 0; n < 3; n += 1) {
    if (n === 1) full = false;
    assert.match(await client.say(MAIL), /^450 4\.7\.1 /);
  }
  assert.deepEqual(told, ["postmaster@semail.test"]);
});
