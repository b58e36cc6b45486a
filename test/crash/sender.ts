/** A client that sends message after message and remembers what it was told, whatever happens to the server. */
import type { Random } from "../fuzz/random.ts";
import type { RawClient } from "../support/raw-client.ts";
import type { Sent } from "./ledger.ts";

export interface Recipient {
  /** By which the ledger knows it. */
  readonly uid: string;
  readonly address: string;
}

export interface SenderOptions {
  readonly name: string;
  /** A connection that may send; undefined when the server is not there. */
  readonly open: () => Promise<RawClient | undefined>;
  readonly from: (id: string) => string;
  readonly to: (id: string, random: Random) => readonly Recipient[];
  /** Lines of a message. */
  readonly lines: (random: Random) => number;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly note: (sent: Sent) => void;
}

/** Header field by which a message is known again. */
export const MARK = "X-Crash-Id";

/** Says EHLO and what else comes before mail; undefined when somebody is cut off, or nobody listens. */
export async function openSession(
  open: () => Promise<RawClient>,
  ...lines: readonly string[]
): Promise<RawClient | undefined> {
  let client: RawClient;
  try {
    client = await open();
  } catch {
    return undefined;
  }
  let reply = await client.reply();
  for (const line of ["EHLO c", ...lines]) if (reply.startsWith("2")) reply = await client.say(line);
  if (reply.startsWith("2")) return client;
  client.close();
  return undefined;
}

/** Sends until told to end. */
export async function keepSending(options: SenderOptions): Promise<void> {
  const { signal, open } = options;
  for (let number = 0; !signal.aborted; ) {
    const client = await open();
    if (client === undefined) {
      // Nobody listens while the daemon starts.
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    try {
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
  { random, note, ...options }: SenderOptions,
): Promise<boolean> {
  const from = await client.say(`MAIL FROM:<${options.from(id)}>`);
  if (from === "closed") return false;
  const accepted = [];
  for (const { uid, address } of options.to(id, random)) {
    const reply = await client.say(`RCPT TO:<${address}>`);
    if (reply === "closed") return false;
    if (reply.startsWith("250")) accepted.push(uid);
  }
  if (accepted.length === 0) return (await client.say("RSET")) !== "closed";
  if ((await client.say("DATA")) !== "354") return false;
  const body = `${MARK}: ${id}\r\nFrom: ${options.from(id)}\r\nSubject: crash\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(options.lines(random))}`;
  client.write(`${body}.\r\n`);
  const reply = await client.reply();
  const told = reply.startsWith("250") ? "accepted" : reply === "closed" ? "unknown" : "refused";
  note({ id, to: accepted, told });
  return told !== "unknown";
}
