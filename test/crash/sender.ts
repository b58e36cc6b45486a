/** A client that sends message after message and remembers what it was told, whatever happens to the server. */
import type { Random } from "../fuzz/random.ts";
import { RawClient } from "../support/raw-client.ts";
import type { Sent } from "./ledger.ts";

export interface SenderOptions {
  readonly name: string;
  readonly port: number;
  readonly boxes: readonly { readonly uid: string; readonly address: string }[];
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly note: (sent: Sent) => void;
}

/** Header field by which a message is known again. */
export const MARK = "X-Crash-Id";

/** Sends until told to end. */
export async function keepSending(options: SenderOptions): Promise<void> {
  const { signal, port } = options;
  for (let number = 0; !signal.aborted; ) {
    let client: RawClient;
    try {
      client = await RawClient.open(port);
    } catch {
      // Nobody listens while the daemon starts.
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    try {
      if ((await client.reply()) !== "220" || (await client.say("EHLO c")) !== "250") continue;
      for (let inSession = 0; inSession < 5 && !signal.aborted; inSession += 1) {
        number += 1;
        if (!(await sendOne(client, `${options.name}.${number}`, options))) break;
      }
    } finally {
      client.close();
    }
  }
}

/** One message; false when the connection is of no use any more. */
async function sendOne(
  client: RawClient,
  id: string,
  { boxes, random, note }: SenderOptions,
): Promise<boolean> {
  const to = boxes.filter(() => random.chance(0.4));
  const [some] = boxes;
  if (to.length === 0 && some !== undefined) to.push(some);
  const from = await client.say(`MAIL FROM:<${id}@crash.example>`);
  if (from === "closed") return false;
  const accepted = [];
  for (const box of to) {
    const reply = await client.say(`RCPT TO:<${box.address}>`);
    if (reply === "closed") return false;
    if (reply.startsWith("250")) accepted.push(box.uid);
  }
  if (accepted.length === 0) return (await client.say("RSET")) !== "closed";
  if ((await client.say("DATA")) !== "354") return false;
  const lines = random.below(3) === 0 ? 800 : 5;
  const body = `${MARK}: ${id}\r\nSubject: crash\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(lines)}`;
  client.write(`${body}.\r\n`);
  const reply = await client.reply();
  const told = reply.startsWith("250") ? "accepted" : reply === "closed" ? "unknown" : "refused";
  note({ id, to: accepted, told });
  return told !== "unknown";
}
