import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createSecureContext } from "node:tls";
import { type BoxReplies, createBoxReplies } from "../../../mailserver/courier/box-replies.ts";
import type { Offered } from "../../../mailserver/courier/reply-door.ts";
import type { Delivery, Result } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { parseEnvelopeAddress } from "../../../mailserver/smtp/address.ts";
import { accepted, localError } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { address } from "../../support/sending.ts";

const DELIVERED: Result = { kind: "delivered", reply: accepted };
const delivery = (from: string | null, more: Partial<Delivery> = {}): Delivery => ({
  from: from === null ? null : address(from),
  recipients: [address("alice@semail.test")],
  ...{ body: Buffer.from("x"), eightBit: false, smtputf8: false },
  ...more,
});
const vacation = (from: string, to: string): Offered => ({
  recipient: to,
  message: Buffer.from(
    `From: ${from}\nTo: ${to}\nAuto-Submitted: auto-replied (vacation)\nSubject: away\n\nlater\n`,
  ),
});

describe("replies of boxes", () => {
  let clock: FakeClock;
  let queued: NewItem[];
  let offered: Offered[];
  let taken: boolean[];
  let visited: string[];
  let fails: boolean;
  let collect: NonNullable<Parameters<typeof createBoxReplies>[0]["collect"]>;
  let replies: BoxReplies;

  beforeEach(() => {
    clock = new FakeClock(0);
    [queued, offered, taken, visited, fails] = [[], [], [], [], false];
    collect = async ({ host }, take) => {
      visited.push(host);
      for (const each of offered) taken.push(await take(each));
    };
    const made = createBoxReplies({
      ...{
        port: 26,
        door: createSecureContext(),
        clock,
        log: silentLog,
        newId: () => `item${queued.length}`,
      },
      owns: async (host, text) => host === "box-alice" && /^(alice|al)@semail\.test$/.test(text),
      destination: ({ domain }) => `mx:${domain}`,
      enqueue: async (item) => {
        if (fails) throw new Error("the disk is full");
        queued.push(item);
      },
      collect: (...of) => collect(...of),
    });
    replies = made ?? assert.fail();
  });

  /** One delivery, and the visit after it. */
  const visit = async (...of: Delivery[]): Promise<void> => {
    for (const each of of) replies.delivered("box-alice", each, [DELIVERED]);
    await clock.jump();
    await replies.close();
  };

  it("go to who wrote, with the null reverse-path, and nobody hears of them again", async () => {
    offered = [vacation("Alice <al@semail.test>", "Sender@elsewhere.test")];
    await visit(delivery("sender@elsewhere.test"));
    assert.deepEqual(taken, [true]);
    const [item] = queued;
    assert.equal(item?.envelope.from, "");
    assert.deepEqual(item?.recipients, [
      { address: "sender@elsewhere.test", destination: "mx:elsewhere.test", notify: [] },
    ]);
    assert.match(String(item?.body), /^From: Alice <al@semail.test>\r\n.*\r\n\r\nlater\r\n$/s);
  });

  for (const [sender, written] of [
    ["a..b@docomo.test", '"A..B"@docomo.test'],
    ['"a..b"@docomo.test', "a..b@docomo.test"],
    ["user.@odd_one.test", "user.@ODD_one.test"],
    ["u@münchen.test", "u@xn--mnchen-3ya.test"],
  ] as const) {
    it(`go to ${sender} as that was written, though the box has it as ${written}`, async () => {
      offered = [vacation("al@semail.test", written)];
      await visit({ ...delivery("x@x.test"), from: parseEnvelopeAddress(sender) ?? assert.fail() });
      assert.deepEqual(
        queued.map(({ recipients }) => recipients[0]?.address),
        [sender],
      );
    });
  }

  it("are fetched once for all that arrives within a second", async () => {
    await visit(delivery("a@elsewhere.test"), delivery("b@elsewhere.test"));
    assert.deepEqual(visited, ["box-alice"]);
  });

  it("stay where they are when their recipient wrote to another process", async () => {
    offered = [vacation("alice@semail.test", "other@elsewhere.test")];
    await visit(delivery("sender@elsewhere.test"));
    assert.deepEqual([taken, queued], [[false], []]);
  });

  it("stay in the box when they can't be stored", async () => {
    offered = [vacation("alice@semail.test", "sender@elsewhere.test")];
    fails = true;
    await visit(delivery("sender@elsewhere.test"));
    assert.deepEqual([taken, queued], [[], []]);
  });

  for (const [what, message] of [
    ["in another's name", vacation("ceo@semail.test", "sender@elsewhere.test")],
    [
      "that is no automatic one",
      { recipient: "sender@elsewhere.test", message: Buffer.from("From: alice@semail.test\n\nx") },
    ],
    [
      "with marks of ours",
      {
        recipient: "sender@elsewhere.test",
        message: Buffer.from("From: alice@semail.test\nAuto-Submitted: auto-replied\nX-Semail-Junk: no\n\nx"),
      },
    ],
  ] as const) {
    it(`are thrown away: one ${what}`, async () => {
      offered = [message];
      await visit(delivery("sender@elsewhere.test"));
      assert.deepEqual([taken, queued], [[true], []]);
    });
  }

  for (const [what, of, results] of [
    ["the null reverse-path", delivery(null), [DELIVERED]],
    [
      "a sender who may be another",
      delivery("a@elsewhere.test", { recipientDsn: [{ notify: [] }] }),
      [DELIVERED],
    ],
    [
      "a message that was not taken",
      delivery("a@elsewhere.test"),
      [{ kind: "temporary", reply: localError }],
    ],
  ] as [string, Delivery, Result[]][]) {
    it(`are not asked for after ${what}`, () => {
      replies.delivered("box-alice", of, results);
      assert.equal(clock.armed, false);
    });
  }

  it("of a silent box hold the end up for a second", async () => {
    let heard: AbortSignal | undefined;
    collect = (_place, _take, signal) => {
      heard = signal;
      return new Promise(() => {});
    };
    replies.delivered("box-alice", delivery("a@elsewhere.test"), [DELIVERED]);
    const began = await clock.jump();
    await nextTurn();
    const closed = replies.close();
    assert.equal(heard?.aborted, false);
    assert.equal((await clock.jump()) - began, 1_000);
    await closed;
    assert.equal(heard?.aborted, true);
  });

  it("are not to be had without a port", () => {
    assert.equal(
      createBoxReplies({ port: undefined, door: undefined } as Parameters<typeof createBoxReplies>[0]),
      undefined,
    );
  });
});
