/** Clients that do as little as can be done, to measure others by. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A connection on which one command is said at a time. */
export class Line {
  readonly #socket: Socket;
  #text = "";
  #wake = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
      this.#wake.resolve();
    });
  }

  static async open(host: string, port: number): Promise<Line> {
    const socket = connect(port, host);
    await once(socket, "connect");
    return Line.over(socket);
  }

  /** On a connection that is there; settles with the greeting. */
  static async over(socket: Socket): Promise<Line> {
    const line = new Line(socket);
    await line.reply();
    return line;
  }

  /** The next reply; throws for what is no success. */
  async reply(): Promise<string> {
    let end = /^\d{3} .*\r\n/m.exec(this.#text);
    while (end === null) {
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
      end = /^\d{3} .*\r\n/m.exec(this.#text);
    }
    this.#text = this.#text.slice(end.index + end[0].length);
    if (!/^[23]/.test(end[0])) throw new Error(`refused: ${end[0].trim()}`);
    return end[0];
  }

  say(text: string): Promise<string> {
    this.#socket.write(`${text}\r\n`, "latin1");
    return this.reply();
  }

  close(): void {
    this.#socket.destroy();
  }
}

const STRANGER = "sender@elsewhere.test";

/** A message of about that many bytes. */
export function messageOf(bytes: number, from = STRANGER): string {
  const head = `From: <${from}>\r\nSubject: load\r\n\r\n`;
  return head + `${"x".repeat(78)}\r\n`.repeat(Math.ceil((bytes - head.length) / 80));
}

export interface Sending {
  readonly from?: string;
  readonly to: string;
  readonly messages: number;
  readonly body: string;
  readonly everyMs?: number;
}

/** Sends messages over one connection, one begun every so often at most; gives the milliseconds from each final dot to its reply. */
export async function sendOver(
  line: Line,
  { from = STRANGER, to, messages, body, everyMs = 0 }: Sending,
): Promise<number[]> {
  const times: number[] = [];
  const start = performance.now();
  for (let sent = 0; sent < messages; sent += 1) {
    const wait = start + sent * everyMs - performance.now();
    if (everyMs > 0 && wait > 0) await sleep(wait);
    await line.say(`MAIL FROM:<${from}>`);
    await line.say(`RCPT TO:<${to}>`);
    await line.say("DATA");
    const began = performance.now();
    await line.say(`${body}.`);
    times.push(performance.now() - began);
  }
  return times;
}

/** The value below which so many of a hundred are. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
