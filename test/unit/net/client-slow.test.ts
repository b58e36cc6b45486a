import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../../mailserver/net/client.ts";
import { address } from "../../support/sending.ts";

const STEP_MS = 250;
/** Much more than one step, and less than all of them together. */
const REPLY_MS = 1_500;

const ANSWERS: readonly (readonly [verb: string, answer: string, afterMs?: number])[] = [
  ["EHLO", "250-slow.test\r\n250 PIPELINING"],
  ["RCPT", "250 2.1.5 ok", STEP_MS],
  ["DATA", "354 go on"],
];

/** Takes commands together and answers RCPT one by one, each after a while; a `silent` one never ends its reply to them. */
async function slowServer(silent: boolean) {
  const server = createServer((socket) => {
    let last: Promise<unknown> = Promise.resolve();
    let data = false;
    let unread = "";
    const say = (text: string, after = 0): void => {
      last = last.then(() => sleep(after)).then(() => socket.writable && socket.write(text));
    };
    const dribble = (): void => {
      const timer = setInterval(() => socket.write("250-still\r\n"), STEP_MS);
      socket.once("close", () => clearInterval(timer));
    };
    socket.on("error", () => {});
    say("220 slow.test\r\n");
    const line = (text: string): void => {
      // Of the message, only its end is answered.
      if (data && text !== ".") return;
      data = text === "DATA";
      const [, answer = "250 2.0.0 ok", after = 0] = ANSWERS.find(([verb]) => text.startsWith(verb)) ?? [];
      if (silent && after > 0) dribble();
      else say(`${answer}\r\n`, after);
    };
    socket.on("data", (chunk) => {
      const lines = `${unread}${chunk}`.split("\r\n");
      unread = lines.pop() ?? "";
      lines.forEach(line);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  assert.ok(typeof at === "object" && at !== null);
  return { port: at.port, [Symbol.asyncDispose]: async () => void server.close() };
}

async function sendTo(port: number): Promise<string[]> {
  const connection = await connect({
    ...{ host: "127.0.0.1", port, timeouts: { replyMs: REPLY_MS, messageMs: REPLY_MS } },
    session: { protocol: "smtp", hostname: "us.test", tls: "never" },
  });
  const recipients = Array.from({ length: 10 }, (_, number) => address(`u${number}@slow.test`));
  const envelope = { from: null, recipients, size: 9, eightBit: false, smtputf8: false };
  const outcomes = await connection.send(envelope, Buffer.from("A: b\r\n\r\nx\r\n"));
  await connection.close();
  return outcomes.map(({ kind }) => kind);
}

test("each of the recipients that are named together has the time of a reply", async () => {
  await using server = await slowServer(false);
  assert.deepEqual(await sendTo(server.port), Array(10).fill("delivered"));
});

test("a host that never ends its reply gains no time by its lines", { timeout: 60_000 }, async () => {
  await using server = await slowServer(true);
  assert.deepEqual(await sendTo(server.port), Array(10).fill("temporary"));
});
