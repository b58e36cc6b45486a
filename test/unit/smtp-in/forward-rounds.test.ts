/** Nobody has a message twice because it was sent on, and nothing goes round. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { ACCEPTED, box, relay, send, session, start } from "./support.ts";

describe("a forward is left out, and the box has the message once,", () => {
  const PEOPLE: Readonly<Record<string, readonly [uid: string, forward?: string]>> = {
    "alice@semail.test": ["alice", "b.ob@semail.test"],
    "bob@semail.test": ["bob", "ALICE@semail.test"],
    "b.ob@semail.test": ["bob", "ALICE@semail.test"],
    "carol@semail.test": ["carol", "postmaster@semail.test"],
    "postmaster@semail.test": ["carol", "postmaster@semail.test"],
    "dave@semail.test": ["dave", "dave@foreign.example"],
    "d.smith@semail.test": ["dave", "dave@foreign.example"],
    "down@semail.test": ["down", "silent@semail.test"],
    "zoe@semail.test": ["zoe"],
  };
  const directory = {
    findRecipient: async (address: string): Promise<RecipientAnswer> => {
      if (address === "silent@semail.test") throw new DirectoryUnavailable("no answer");
      const [uid, forward] = PEOPLE[address] ?? [];
      if (uid === undefined) return { kind: "absent" };
      return { kind: "box", uid, host: "127.0.0.1", ...(forward !== undefined && { forward }) };
    },
    close: async () => {},
  };
  const been = (...fields: string[]): string => `${fields.join("\r\n")}\r\nSubject: x\r\n\r\nhi\r\n`;
  const plain = been("X: y");
  const cases: Readonly<Record<string, readonly [to: readonly string[], text: string, forwards: number]>> = {
    "not for who forwards to a colleague who does so back": [["alice"], plain, 1],
    "when it is for both who forward to each other": [["alice", "bob"], plain, 0],
    "not for one of them beside somebody else": [["alice", "dave"], plain, 2],
    "when it leads to another address of the person": [["carol"], plain, 0],
    "when it comes back from there": [["dave"], been("Delivered-To: dave@semail.test"), 0],
    "when it comes back in other letters, by a long way": [
      ["dave"],
      been("Delivered-To: x@y.example", "delivered-to:\r\n DAVE@Semail.test", "Delivered-To: <"),
      0,
    ],
    "when it comes back to another of the person's addresses": [
      ["dave"],
      been("Delivered-To: d.smith@semail.test"),
      0,
    ],
    "when it comes back to a sub-address, and was sent on from another": [
      ["d.smith+a"],
      been("Delivered-To: dave+b@semail.test"),
      0,
    ],
    "when it comes back by way of many strangers and of people who are gone": [
      ["dave"],
      been(
        ...Array.from({ length: 50 }, (_, n) => `Delivered-To: ${n}@foreign.example`),
        "Delivered-To: gone@semail.test",
        "Delivered-To: dave@semail.test",
      ),
      0,
    ],
    "when it comes back by way of nineteen others of ours": [
      ["dave"],
      been(
        ...Array.from({ length: 19 }, (_, n) => `Delivered-To: ${n}@semail.test`),
        "Delivered-To: dave@semail.test",
      ),
      0,
    ],
    "when it comes back, beside somebody who forwards nothing": [
      ["zoe", "dave"],
      been("Delivered-To: dave@semail.test"),
      0,
    ],
    "not when it was elsewhere": [
      ["dave"],
      been("Delivered-To: dave@foreign.example", "X-Delivered-To: dave@semail.test"),
      1,
    ],
    "for the one alone to whom it comes back": [["dave", "alice"], been("Delivered-To: dave@semail.test"), 1],
  };
  for (const [name, [to, text, forwards]] of Object.entries(cases)) {
    test(name, async () => {
      const inbox = await box();
      const out = await relay();
      const ports = { lmtpPort: inbox.listener.port, relayPort: out.listener.port };
      const daemon = await start({ ...ports, deps: { directory } });
      const found = await send(
        await session(daemon),
        to.map((local) => `${local}@semail.test`),
        text,
      );
      assert.equal(found.at(-1), "250 2.0.0");
      assert.equal(inbox.messages.length, to.length);
      if (forwards === 0) assert.equal((await daemon.queue.counts()).items, 0);
      else await out.reached(1);
      assert.equal(out.messages.flatMap((message) => message.to).length, forwards);
    });
  }

  test("at the cost of few questions, whatever a stranger writes", async () => {
    const asked = new Set<string>();
    const counting = {
      ...directory,
      findRecipient: (address: string): Promise<RecipientAnswer> => {
        asked.add(address);
        return directory.findRecipient(address);
      },
    };
    const inbox = await box();
    const daemon = await start({ lmtpPort: inbox.listener.port, deps: { directory: counting } });
    const before = Array.from({ length: 1_000 }, (_, n) => `Delivered-To: ${n}@semail.test`);
    const client = await session(daemon);
    assert.deepEqual(await send(client, ["dave@semail.test"], been(...before)), ACCEPTED);
    assert.ok(asked.size < 30, `${asked.size} addresses`);
  });

  test("never by guessing: what can't be looked up is asked for again", async () => {
    const inbox = await box();
    const daemon = await start({ lmtpPort: inbox.listener.port, deps: { directory } });
    assert.deepEqual(await send(await session(daemon), ["down@semail.test"]), ["250 2.1.5", "451 4.4.3"]);
    assert.equal(inbox.messages.length, 0);
  });
});
