import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { box, relay, send, session, spoolFolder, start, vouching } from "./support.ts";

const OK = "250 2.1.5";
const TAKEN = "250 2.0.0";
const refuse = (code: number, status: string): Decision => ({
  kind: "refuse",
  reply: replies.reply(code, status, "no"),
});
const FULL = refuse(452, "4.2.2");
const GONE = refuse(550, "5.7.1");
const BUSY = refuse(451, "4.3.0");
const ALL = ["alice@semail.test", "dora@semail.test", "erin@semail.test"];

/** Three boxes on one port, each answering messages in its own way; `down` does not listen. */
async function threeBoxes(answers: readonly (Decision | "down" | undefined)[]) {
  const first = await box(answerOf(answers[0]));
  const { port } = first.listener;
  const more = answers.slice(1).map((answer, index) => {
    return answer === "down" ? undefined : box(answerOf(answer), port, `127.0.0.${index + 2}`);
  });
  return { port, boxes: [first, ...(await Promise.all(more))] };
}

function answerOf(answer: Decision | "down" | undefined) {
  return answer === undefined || answer === "down" ? undefined : () => answer;
}

/** A log, and the first message that nobody can be told of. */
function watched() {
  const { promise: stranded, resolve } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  const warn = (event: string, facts: Readonly<Record<string, unknown>> = {}): void => {
    if (event === "queue.stranded") resolve(facts);
  };
  return { log: { ...silentLog, warn }, stranded };
}

describe("a message for one box", () => {
  test("that does not listen is kept, and delivered once it is back", async () => {
    const before = await box();
    const { port } = before.listener;
    await before.listener.close();
    const daemon = await start({ lmtpPort: port });
    const client = await session(daemon);
    assert.deepEqual(await send(client, ["alice@semail.test"]), [OK, TAKEN]);
    assert.equal((await daemon.queue.counts()).items, 1);
    const back = await box(undefined, port);
    await back.reached(1);
    assert.deepEqual(back.messages[0]?.to, ["alice@semail.test"]);
    assert.equal(back.messages[0]?.from, "bob@foreign.example");
  });

  test("that is back gets what waited long at once, when it has taken another message", async () => {
    const before = await box();
    const { port } = before.listener;
    await before.listener.close();
    const retry = { firstMs: 3_600_000, maxMs: 3_600_000, giveUpMs: 432_000_000, delayMs: 0 };
    let now = 1_000_000;
    const clock = { now: () => now, elapsed: () => now, after: () => () => {} };
    const daemon = await start({ lmtpPort: port, settings: { retry }, deps: { clock } });
    const client = await session(daemon);
    await send(client, ["alice@semail.test"], "Subject: first\r\n\r\n");
    const back = await box(undefined, port);
    // The box rests for a moment after it did not answer.
    assert.deepEqual(await send(client, ["alice@semail.test"], "Subject: second\r\n\r\n"), [OK, TAKEN]);
    assert.equal(back.messages.length, 0);
    now += 1_000;
    await send(client, ["alice@semail.test"], "Subject: third\r\n\r\n");
    await back.reached(3);
    const subjects = back.messages.map(({ text }) => /Subject: (\w+)/.exec(text)?.[1]).sort();
    assert.deepEqual(subjects, ["first", "second", "third"]);
  });

  const cases: Readonly<Record<string, readonly [Decision, string, number]>> = {
    "that is over quota is refused in session": [FULL, "452 4.2.2", 0],
    "that refuses for good is refused in session": [GONE, "550 5.7.1", 0],
    "that has trouble is kept": [BUSY, TAKEN, 1],
    "that closes is kept": [{ kind: "refuse", reply: replies.shuttingDown }, TAKEN, 1],
  };
  for (const [name, [answer, want, kept]] of Object.entries(cases)) {
    test(name, async () => {
      const to = await box(() => answer);
      const daemon = await start({ lmtpPort: to.listener.port });
      const client = await session(daemon);
      assert.deepEqual(await send(client, ["alice@semail.test"]), [OK, want]);
      assert.equal((await daemon.queue.counts()).items, kept);
      assert.equal(await client.say("NOOP"), "250 2.0.0");
    });
  }

  test("kept by one daemon is delivered by the next", async () => {
    const to = await box();
    const queueDir = await spoolFolder();
    const first = await start({ lmtpPort: 1, queueDir });
    assert.deepEqual(await send(await session(first), ["postmaster"]), [OK, TAKEN]);
    await first.close();
    await start({ lmtpPort: to.listener.port, queueDir });
    await to.reached(1);
    assert.deepEqual(to.messages[0]?.to, ["postmaster@semail.test"]);
  });

  test("whose person has gone meanwhile goes back to its sender", async () => {
    const out = await relay();
    let gone = false;
    const findRecipient = async (): Promise<RecipientAnswer> =>
      gone ? { kind: "absent" } : { kind: "box", uid: "alice", host: "127.0.0.1" };
    const directory = { findRecipient, close: async () => {} };
    const daemon = await start({
      lmtpPort: 1,
      relayPort: out.listener.port,
      deps: { query: vouching, directory },
    });
    assert.deepEqual(await send(await session(daemon), ["alice@semail.test"]), [OK, TAKEN]);
    gone = true;
    await out.reached(1);
    const [dsn] = out.messages;
    assert.deepEqual([dsn?.from, dsn?.to], ["", ["bob@foreign.example"]]);
    assert.match(dsn?.text ?? "", /^Final-Recipient: rfc822; alice@semail\.test\r$/m);
    assert.match(dsn?.text ?? "", /^Status: 5\.1\.1\r$/m);
  });

  test("that is given up is told to the sender", async () => {
    const out = await relay();
    const retry = { firstMs: 20, maxMs: 20, giveUpMs: 40, delayMs: 0 };
    const deps = { query: vouching };
    const daemon = await start({ lmtpPort: 1, relayPort: out.listener.port, settings: { retry }, deps });
    const client = await session(daemon);
    assert.deepEqual(await send(client, ["alice@semail.test"]), [OK, TAKEN]);
    await out.reached(1);
    while ((await daemon.queue.counts()).items > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(
      out.messages.map((message) => [message.from, message.to]),
      [["", ["bob@foreign.example"]]],
    );
    assert.match(out.messages[0]?.text ?? "", /Status: 4\.4\.7/);
  });

  // Neither SPF nor DKIM vouches for the second.
  for (const from of ["", "bob@victim.example"]) {
    test(`that is given up from <${from}>, who can't be told, is held until it is released`, async () => {
      const out = await relay();
      const { log, stranded } = watched();
      const gone = await box();
      const { port } = gone.listener;
      await gone.listener.close();
      const daemon = await start({
        ...{ lmtpPort: port, relayPort: out.listener.port },
        settings: { retry: { firstMs: 20, maxMs: 20, giveUpMs: 40, delayMs: 0 } },
        deps: { query: vouching, log },
      });
      const client = await session(daemon);
      assert.deepEqual(await send(client, ["alice@semail.test"], undefined, from), [OK, TAKEN]);
      const { item } = await stranded;
      const { items, held } = await daemon.queue.census();
      assert.deepEqual({ items, held, told: out.messages.length }, { items: 1, held: 1, told: 0 });
      const back = await box(undefined, port);
      await daemon.queue.manage({ verb: "release", id: String(item), at: Date.now() });
      await back.reached(1);
      assert.equal(back.messages[0]?.from, from);
    });
  }

  test("is refused for now when the disk has no room for it", async () => {
    const daemon = await start({ lmtpPort: 1 });
    await daemon.queue.close();
    assert.deepEqual(await send(await session(daemon), ["alice@semail.test"]), [OK, "451 4.3.0"]);
  });
});

describe("a message for several boxes", () => {
  const cases: Readonly<
    Record<
      string,
      {
        answers: readonly (Decision | "down" | undefined)[];
        want: string;
        taken: number[];
        kept: number;
        told: number;
      }
    >
  > = {
    "goes straight to each": {
      answers: [undefined, undefined, undefined],
      want: TAKEN,
      taken: [1, 1, 1],
      kept: 0,
      told: 0,
    },
    "is kept for the one that is down": {
      answers: [undefined, "down", undefined],
      want: TAKEN,
      taken: [1, 0, 1],
      kept: 1,
      told: 0,
    },
    "is kept for the one that has trouble": {
      answers: [BUSY, undefined, undefined],
      want: TAKEN,
      taken: [0, 1, 1],
      kept: 1,
      told: 0,
    },
    "is kept for the one that is over quota": {
      answers: [undefined, FULL, undefined],
      want: TAKEN,
      taken: [1, 0, 1],
      kept: 1,
      told: 0,
    },
    "is reported for the one that refuses": {
      answers: [undefined, GONE, undefined],
      want: TAKEN,
      taken: [1, 0, 1],
      kept: 0,
      told: 1,
    },
    "has an outcome for each": {
      answers: [BUSY, GONE, undefined],
      want: TAKEN,
      taken: [0, 0, 1],
      kept: 1,
      told: 1,
    },
    "is refused when nobody may have it": {
      answers: [GONE, GONE, GONE],
      want: "550 5.7.1",
      taken: [0, 0, 0],
      kept: 0,
      told: 0,
    },
    "is refused for now when all are full or refuse": {
      answers: [GONE, FULL, FULL],
      want: "452 4.2.2",
      taken: [0, 0, 0],
      kept: 0,
      told: 0,
    },
  };
  for (const [name, { answers, want, taken, kept, told }] of Object.entries(cases)) {
    test(name, async () => {
      const { port, boxes } = await threeBoxes(answers);
      const out = await relay();
      const deps = { query: vouching };
      const daemon = await start({ lmtpPort: port, relayPort: out.listener.port, deps });
      assert.deepEqual(await send(await session(daemon), ALL), [OK, OK, OK, want]);
      assert.deepEqual(
        boxes.map((made) => made?.messages.length ?? 0),
        taken,
      );
      await out.reached(told);
      // The notification's own item goes when the relay has it.
      while ((await daemon.queue.counts()).items !== kept)
        await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(out.messages.length, told);
      if (told > 0) {
        assert.match(
          out.messages[0]?.text ?? "",
          /Final-Recipient: rfc822; dora@semail\.test\r\nAction: failed/,
        );
        assert.equal(out.messages[0]?.from, "");
      }
    });
  }

  for (const from of ["", "bob@victim.example"]) {
    test(`from <${from}>, who can't be told, is held for the one that refuses`, async () => {
      const { port } = await threeBoxes([undefined, GONE]);
      const out = await relay();
      const { log, stranded } = watched();
      const deps = { query: vouching, log };
      const daemon = await start({ lmtpPort: port, relayPort: out.listener.port, deps });
      const found = await send(await session(daemon), ALL.slice(0, 2), undefined, from);
      assert.deepEqual(found, [OK, OK, TAKEN]);
      assert.equal((await stranded).to, ALL[1]);
      const { items, held } = await daemon.queue.census();
      assert.deepEqual({ items, held, told: out.messages.length }, { items: 1, held: 1, told: 0 });
    });
  }

  test("and somebody unknown is refused for them alone", async () => {
    const { port, boxes } = await threeBoxes([undefined, undefined]);
    const client = await session(await start({ lmtpPort: port }));
    const to = [ALL[0] ?? "", "nobody@semail.test", "alice+x@semail.test", ALL[1] ?? ""];
    assert.deepEqual(await send(client, to), [OK, "550 5.1.1", OK, OK, TAKEN]);
    assert.deepEqual(
      boxes.map((made) => made?.messages.map((message) => message.to)),
      [[["alice@semail.test"]], [["dora@semail.test"]]],
    );
  });
});
