/** A message made ready for DATA, RFC 5321 section 4.5.2. */
const CR = 13;
const LF = 10;
const DOT = 46;

/** Text whose lines all end in CRLF, the last one too: it needs no change but dots. */
export function isCanonical(message: Uint8Array): boolean {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) return false;
  }
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) return false;
  }
  return bytes.length === 0 || bytes[bytes.length - 1] === LF;
}

/**
 * Doubles dots at line starts over any portions. Line ends are made CRLF: what leaves us never has a bare CR or
 * LF, whatever it was made of.
 */
export class DotStuffer {
  // The start of the message is the start of a line.
  #last = LF;

  /** The bytes to send for a piece of the message. */
  push(chunk: Uint8Array): Uint8Array {
    let out: Uint8Array | undefined;
    let length = 0;
    let from = 0;
    const insert = (at: number, byte: number): void => {
      // Every byte may get one more, and the first one two (a dot after the CR of the piece before).
      out ??= new Uint8Array(2 * chunk.length + 1);
      out.set(chunk.subarray(from, at), length);
      length += at - from;
      out[length++] = byte;
      from = at;
      this.#last = byte;
    };
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#last === CR && byte !== LF) insert(at, LF);
      else if (byte === LF && this.#last !== CR) insert(at, CR);
      if (byte === DOT && this.#last === LF) insert(at, DOT);
      this.#last = byte;
    }
    if (out === undefined) return chunk;
    out.set(chunk.subarray(from), length);
    return out.subarray(0, length + chunk.length - from);
  }

  /** The end of the message: a missing last CRLF, then the dot. */
  end(): Uint8Array {
    if (this.#last === CR) return Buffer.from("\n.\r\n");
    return Buffer.from(this.#last === LF ? ".\r\n" : "\r\n.\r\n");
  }
}
