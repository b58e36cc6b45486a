/**
 * Takes over what a box wants to send: answers of its person's scripts. The box has no way out; we come and fetch. It says
 * its name, then for each reply its size and recipient on a line, and the reply; what we say is taken it forgets.
 */
import { once } from "node:events";
import { type SecureContext, connect as tlsConnect } from "node:tls";

export interface Offered {
  /** As the box has it. */
  readonly recipient: string;
  readonly message: Buffer;
}

export interface DoorPlace {
  readonly host: string;
  readonly port: number;
  /** Our certificate to the boxes. */
  readonly door: SecureContext;
}

/** More is no reply that a script wrote. */
const MAX_BYTES = 262_144;
/** In one go. */
const MAX_REPLIES = 50;
const MAX_LINE = 1_024;
const PATIENCE_MS = 10_000;

/**
 * Shows each reply to `take`, which says whether we have it now. Throws when the box does not answer, or nonsense, and when
 * `signal` is aborted.
 */
export async function collectReplies(
  { host, port, door }: DoorPlace,
  take: (offered: Offered) => Promise<boolean>,
  signal?: AbortSignal,
): Promise<void> {
  const socket = tlsConnect({ host, port, secureContext: door, rejectUnauthorized: false });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error("no answer in time")));
  const aborted = (): void => void socket.destroy(new Error("aborted"));
  signal?.addEventListener("abort", aborted, { once: true });
  if (signal?.aborted === true) aborted();
  try {
    await once(socket, "secureConnect");
    const reader = new Reader(socket);
    // Where an address went from one box to another, this is the other.
    if ((await reader.line()) !== `replies of ${host}`) throw new Error("another box answers");
    for (let count = 0; count < MAX_REPLIES; count += 1) {
      const head = await reader.line();
      if (head === "end") return;
      const [, size = "", recipient = ""] = /^(\d{1,7}) (\S{1,320})$/.exec(head) ?? [];
      if (recipient === "" || Number(size) > MAX_BYTES) throw new Error("the box makes no sense");
      const message = await reader.bytes(Number(size));
      socket.write((await take({ recipient, message })) ? "taken\n" : "left\n");
    }
  } finally {
    signal?.removeEventListener("abort", aborted);
    socket.on("error", () => {}).destroy();
  }
}

/** Lines and bytes of a stream, never more in memory than one reply. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>;
  #held = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf("\n");
      if (end >= 0) return this.#take(end + 1).toString("utf8", 0, end);
      if (this.#held.length > MAX_LINE) throw new Error("the box makes no sense");
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#held.length < count) await this.#more();
    return this.#take(count);
  }

  #take(count: number): Buffer {
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done) throw new Error("the box ended in the middle");
    this.#held = Buffer.concat([this.#held, value]);
  }
}
