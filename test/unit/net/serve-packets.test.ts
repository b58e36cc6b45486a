import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import type { Inbox } from "../../support/mail-listener.ts";
import type { RawClient } from "../../support/raw-client.ts";
import { client, inbox } from "./support.ts";

let identity: Identity;
before(async () => {
  identity = await makeIdentity("mx.semail.test");
});

const EVIL = "EHLO evil\r\nMAIL FROM:<eve@foreign.example>\r\nRCPT TO:<eve@semail.test>\r\nDATA\r\n";
/** As long as a client takes it. */
const LONG = { ...accepted, lines: Array.from({ length: 120 }, () => "x".repeat(500)) };
/** More of them than the system keeps of what nobody reads. */
const MAILS = 300;
const UNREAD = "MAIL FROM:<>\r\nRSET\r\n".repeat(MAILS);
const accept = { kind: "accept" } as const;

/** Settles when the server has heard what was written before, by whomever. */
async function heard(to: Inbox): Promise<void> {
  const other = await client(to);
  await other.reply();
  for (let times = 0; times < 3; times += 1) await other.say("NOOP");
  other.close();
}

/** A log, and what settles when the first session in it is closed. */
function untilClosed(): { readonly log: Log; readonly closed: Promise<void> } {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let first: unknown;
  const info: Log["info"] = (event, { session } = {}) => {
    if (event === "smtp.session.open") first ??= session;
    if (event === "smtp.session.close" && session === first) resolve();
  };
  return { log: { ...silentLog, info }, closed };
}

async function greeted(to: Inbox): Promise<RawClient> {
  const raw = await client(to);
  await raw.reply();
  await raw.say("EHLO c");
  return raw;
}

test("what comes in clear text behind STARTTLS, in a packet of its own, is not heard under TLS", async () => {
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const rcpt = async () => {
    asked.resolve();
    await answer.promise;
    return accept;
  };
  const to = await inbox({ tls: identity, policy: { rcpt } });
  const raw = await greeted(to);
  raw.write("MAIL FROM:<>\r\nRCPT TO:<a@semail.test>\r\nSTARTTLS\r\n");
  await asked.promise;
  raw.write(EVIL);
  await heard(to);
  answer.resolve();
  for (const expected of ["250 2.1.0", "250 2.1.5", "220 2.0.0"]) assert.equal(await raw.reply(), expected);
  const secured = await raw.secure({ ca: identity.ca });
  secured.write("EHLO c\r\nMAIL FROM:<bob@foreign.example>\r\nRCPT TO:<bob@semail.test>\r\n");
  secured.write("DATA\r\nhi\r\n.\r\nQUIT\r\n");
  while ((await raw.reply()) !== "closed");
  assert.deepEqual(
    to.messages.map(({ from, to: whom, text }) => ({ from, whom, text })),
    [{ from: "bob@foreign.example", whom: ["bob@semail.test"], text: "hi\r\n" }],
  );
});

test("after a connection was cut, nothing that waited behind it is heard: a message may have lost its beginning", async () => {
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { log, closed } = untilClosed();
  const chunks: string[] = [];
  const to = await inbox({
    log,
    policy: {
      rcpt: async () => {
        asked.resolve();
        await answer.promise;
        return accept;
      },
      chunk: (_, bytes) => {
        chunks.push(Buffer.from(bytes).toString());
        if (chunks.length === 1) throw new Error("out of memory");
      },
    },
  });
  const raw = await greeted(to);
  raw.write("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nfirst half\r\n");
  await asked.promise;
  raw.write("second half\r\n.\r\n");
  await heard(to);
  answer.resolve();
  await closed;
  await heard(to);
  assert.deepEqual([chunks, to.messages], [["first half\r\n"], []]);
});

test("long replies to what came in one packet are not made for a client that reads none of them", async () => {
  const { log, closed } = untilClosed();
  let asked = 0;
  const to = await inbox({
    limits: { idleMs: 300 },
    log,
    policy: {
      mail: () => {
        asked += 1;
        return { ...accept, reply: LONG };
      },
    },
  });
  const raw = await greeted(to);
  raw.socket.pause();
  raw.write(UNREAD);
  await closed;
  assert.ok(asked > 0 && asked < MAILS, `${asked} of ${MAILS} were answered`);
});

test("a session ends in its time although its client reads a little now and then", async () => {
  const { log, closed } = untilClosed();
  const begun = Promise.withResolvers<void>();
  const clock = new FakeClock(0);
  const to = await inbox({
    limits: { idleMs: 60_000, sessionMs: 90_000 },
    timing: clock,
    log,
    policy: {
      mail: () => {
        begun.resolve();
        return { ...accept, reply: LONG };
      },
    },
  });
  const raw = await greeted(to);
  raw.socket.pause();
  raw.write(UNREAD);
  await begun.promise;
  await heard(to);
  while (clock.now() < 90_000) await clock.jump();
  await closed;
});
