/**
 * Sessions by chance: packets of any size, pauses anywhere, policies that take a moment now and then, clients that read late
 * or close their side early. What a connection says must not depend on any of that.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { before, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { Random } from "../../fuzz/random.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import type { Inbox } from "../../support/mail-listener.ts";
import { client, inbox } from "./support.ts";

const SESSIONS = 120;
/** At the same time. */
const TOGETHER = 8;
const accept = { kind: "accept" } as const;

let identity: Identity;
before(async () => {
  identity = await makeIdentity("mx.semail.test");
});

async function eachSeed(work: (seed: number) => Promise<void>): Promise<void> {
  const seeds = Array.from({ length: SESSIONS }, (_, seed) => seed).values();
  const all = async (): Promise<void> => {
    // Each takes the next one from the same iterator.
    for (const seed of seeds) await work(seed);
  };
  await Promise.all(Array.from({ length: TOGETHER }, all));
}

/** Takes everything, at once or a moment later, of so many milliseconds at most. */
async function hesitant(random: Random, most: number): Promise<Inbox> {
  const moment = async () => {
    const how = random.below(4);
    if (how === 1) await turn();
    if (how === 2) await sleep(random.below(most));
    return accept;
  };
  const now = () => (random.chance(0.5) ? accept : moment());
  return inbox({ tls: identity, policy: { mail: now, rcpt: now, data: now, message: moment } });
}

/** What a client says, and the codes that it has to hear. */
interface Dialogue {
  readonly text: string;
  readonly codes: readonly string[];
}

function dialogueOf(random: Random): Dialogue {
  let text = "EHLO c\r\n";
  const codes = ["220", "250"];
  for (let messages = 1 + random.below(3); messages > 0; messages -= 1) {
    text += "MAIL FROM:<a@b.example>\r\nRCPT TO:<x@semail.test>\r\n";
    codes.push("250", "250");
    if (random.chance(0.5)) {
      const octets = "x".repeat(random.below(100_000));
      text += `BDAT ${octets.length} LAST\r\n${octets}`;
      codes.push("250");
    } else {
      text += `DATA\r\n${`${"y".repeat(70)}\r\n`.repeat(random.below(1_000))}.\r\n`;
      codes.push("354", "250");
    }
    for (let more = random.below(40); more > 0; more -= 1) {
      text += "NOOP\r\n";
      codes.push("250");
    }
  }
  return { text: `${text}QUIT\r\n`, codes: [...codes, "221"] };
}

/** Says all of it in packets by chance; the codes of the replies, once the connection is closed. */
async function converse({ listener }: Inbox, { text }: Dialogue, random: Random): Promise<string[]> {
  const socket = connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true });
  const closed = Promise.withResolvers<void>();
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk;
  });
  socket.on("close", () => closed.resolve()).on("end", () => socket.end());
  if (random.chance(0.25)) {
    socket.pause();
    setTimeout(() => socket.resume(), random.below(50));
  }
  for (let at = 0; at < text.length; ) {
    const length = 1 + random.below(random.chance(0.2) ? 10 : 60_000);
    socket.write(text.slice(at, at + length));
    at += length;
    if (random.chance(0.3)) await sleep(random.below(3));
  }
  if (random.chance(0.5)) socket.end();
  await closed.promise;
  return heard.split("\r\n").flatMap((line) => /^(\d{3}) /.exec(line)?.[1] ?? []);
}

test("replies don't depend on packets and pauses", { timeout: 60_000 }, async () => {
  const to = await hesitant(new Random(1), 4);
  await eachSeed(async (seed) => {
    const random = new Random(seed);
    const dialogue = dialogueOf(random);
    assert.deepEqual(await converse(to, dialogue, random), dialogue.codes, `seed ${seed}`);
  });
});

/** Somebody on the path says words of their own ahead of a client's hand-shake; whether that came about all the same. */
async function inject(to: Inbox, random: Random): Promise<boolean> {
  const raw = await client(to);
  const clear = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@semail.test>\r\nSTARTTLS\r\n";
  const evil = "MAIL FROM:<eve@foreign.example>\r\nRCPT TO:<eve@semail.test>\r\nDATA\r\n";
  // One of the greetings is whole, wherever the packet ends.
  const words = `${clear}${"EHLO evil\r\n".repeat(3)}${evil}`;
  const cut = clear.length - random.below(12) + random.below(30);
  raw.write(words.slice(0, cut));
  await sleep(random.below(12));
  raw.write(words.slice(cut));
  for (const expected of ["220", "250", "250 2.1.0", "250 2.1.5", "220 2.0.0"])
    assert.equal(await raw.reply(), expected);
  // What comes too late to be dropped is no hand-shake, and ends the connection.
  const secured = await raw.secure({ ca: identity.ca }).catch(() => undefined);
  if (secured === undefined) return false;
  secured.write("EHLO c\r\nMAIL FROM:<bob@foreign.example>\r\nRCPT TO:<bob@semail.test>\r\nDATA\r\n");
  secured.write("hi\r\n.\r\nQUIT\r\n");
  while ((await raw.reply()) !== "closed");
  return true;
}

test("nothing that was said ahead of the hand-shake is heard under TLS, whenever it came", {
  timeout: 60_000,
}, async () => {
  const to = await hesitant(new Random(2), 20);
  let secured = 0;
  await eachSeed(async (seed) => {
    const came = await inject(to, new Random(seed));
    secured += Number(came);
  });
  assert.ok(secured > SESSIONS / 10, `${secured} hand-shakes`);
  const expected = { from: "bob@foreign.example", to: ["bob@semail.test"], text: "hi\r\n" };
  assert.deepEqual(
    to.messages.map(({ from, to: whom, text }) => ({ from, to: whom, text })),
    Array.from({ length: secured }, () => expected),
  );
});
