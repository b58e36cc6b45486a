/** Command lines out of a byte stream. Only CRLF ends a line, RFC 5321 section 2.3.8. */

/** The longest line that any command may have: AUTH, RFC 4954 section 4.1 (12288 octets with CRLF). */
export const LINE_MAX = 12_288;

/**
 * RFC 5321 section 4.5.3.1.4 (512) and what the extensions add to MAIL: RFC 1870 (26), RFC 6152 (16), RFC 4954
 * (500), RFC 6531 (10); RFC 3461 section 4 adds RET (9) and ENVID (107). What it adds to RCPT (528) is less.
 */
export const COMMAND_MAX = 512 + 26 + 16 + 500 + 10 + 9 + 107;

const CR = 13;
const LF = 10;

/** A line without its CRLF, or why there is none. */
export type LineEvent =
  | { readonly kind: "line"; readonly bytes: Uint8Array }
  | { readonly kind: "tooLong" }
  | { readonly kind: "bareLineFeed" };

/**
 * A faulty line is reported once, at the byte that makes it faulty, and skipped to its CRLF: what follows a bare
 * LF in it is never taken for a command of its own, which would let a message smuggle commands in.
 */
export class LineReader {
  // Grows to LINE_MAX only for those who need it.
  #line = Buffer.alloc(512);
  #length = 0;
  #lastWasCr = false;
  #skipping = false;

  /** Bytes of a line that is not whole. */
  get size(): number {
    return this.#length;
  }

  /** Reads from `offset`; `next` is where the following line begins. Without event all bytes were taken. */
  read(chunk: Uint8Array, offset: number): { readonly next: number; readonly event?: LineEvent } {
    for (let at = offset; at < chunk.length; at += 1) {
      const event = this.#byte(chunk[at] ?? 0);
      if (event) return { next: at + 1, event };
    }
    return { next: chunk.length };
  }

  #byte(byte: number): LineEvent | undefined {
    const afterCr = this.#lastWasCr;
    this.#lastWasCr = byte === CR;
    if (byte === LF && afterCr) return this.#end();
    if (this.#skipping) return undefined;
    if (byte === LF) return this.#fault({ kind: "bareLineFeed" });
    if (this.#length === LINE_MAX - 1) return this.#fault({ kind: "tooLong" });
    if (this.#length === this.#line.length) {
      this.#line = Buffer.concat([this.#line], Math.min(LINE_MAX, 2 * this.#length));
    }
    this.#line[this.#length] = byte;
    this.#length += 1;
    return undefined;
  }

  #end(): LineEvent | undefined {
    const bytes = Uint8Array.prototype.slice.call(this.#line, 0, Math.max(0, this.#length - 1));
    const faulty = this.#skipping;
    this.#length = 0;
    this.#skipping = false;
    return faulty ? undefined : { kind: "line", bytes };
  }

  #fault(event: LineEvent): LineEvent {
    this.#skipping = true;
    return event;
  }
}

/** The line as text; undefined with control characters (tabs aside) or bytes that are no UTF-8. */
export function decodeLine(bytes: Uint8Array): string | undefined {
  if (bytes.some((byte) => (byte < 32 && byte !== 9) || byte === 127)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
