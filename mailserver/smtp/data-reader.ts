/**
 * The message of DATA out of a byte stream, RFC 5321 section 4.5.2. Only `CRLF . CRLF` ends it. A bare CR or LF
 * makes two servers disagree about where a message ends, which is how a second message gets smuggled in; so it is
 * refused, and so is NUL (RFC 5321 section 2.3.8, 4.5.2). A refused or oversize message is read to its real end.
 */
const CR = 13;
const LF = 10;
const DOT = 46;

/** Why a message is refused. */
export type DataFault = "bareLineEnd" | "nul" | "tooLarge";

/** What came of some bytes. */
export interface DataProgress {
  /** Where the bytes after the message begin, or the length of the chunk. */
  readonly next: number;
  /** The message is at its end. */
  readonly end: boolean;
}

type State = "lineStart" | "text" | "cr" | "dot" | "dotCr";

/** The text of one chunk: a view of it while it is in one piece, a copy once dots were taken out of it. */
class Text {
  readonly #chunk: Uint8Array;
  #bytes: Uint8Array = new Uint8Array();
  #length = 0;

  constructor(chunk: Uint8Array) {
    this.#chunk = chunk;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  add(from: number, to: number): void {
    if (to <= from) return;
    const piece = this.#chunk.subarray(from, to);
    if (this.#length === 0) {
      this.#bytes = piece;
    } else {
      if (this.#bytes.length < this.#chunk.length) this.#copy();
      this.#bytes.set(piece, this.#length);
    }
    this.#length += piece.length;
  }

  #copy(): void {
    const copy = new Uint8Array(this.#chunk.length);
    copy.set(this.bytes);
    this.#bytes = copy;
  }
}

/** Unstuffs the bytes of one message in any portions. */
export class DataReader {
  readonly #limit: number;
  readonly #emit: (bytes: Uint8Array) => void;
  #state: State = "lineStart";
  #content: Exclude<DataFault, "tooLarge"> | undefined;
  #size = 0;

  /**
   * `emit` gets at most one piece per chunk, which may be a view into it, never more than `limit` bytes in all, and
   * none after a fault. One: a message of dots would else cost a call for every three bytes.
   */
  constructor(limit: number, emit: (bytes: Uint8Array) => void) {
    this.#limit = limit;
    this.#emit = emit;
  }

  /** Bytes of the message so far. */
  get size(): number {
    return this.#size;
  }

  /** The first fault of the content, or else of the size: the same however the message was cut into chunks. */
  get fault(): DataFault | undefined {
    return this.#content ?? (this.#size > this.#limit ? "tooLarge" : undefined);
  }

  read(chunk: Uint8Array, offset: number): DataProgress {
    const text = new Text(chunk);
    const progress = this.#scan(chunk, offset, text);
    this.#give(text.bytes);
    return progress;
  }

  #scan(chunk: Uint8Array, offset: number, text: Text): DataProgress {
    // [from, at) is message text that was not added yet.
    let from = offset;
    for (let at = offset; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#state === "text" && byte > CR) continue;
      const next = this.#next(byte);
      if (next === "end") {
        return { next: at + 1, end: true };
      }
      // A dot at the start of a line is never message text: either it was stuffed or it ends the message.
      if (next === "dot") {
        text.add(from, at);
        from = at + 1;
      }
      // The CR after that dot is text only in a message that is refused anyway.
      if (next === "dotCr") from = at + 1;
      this.#state = next;
    }
    text.add(from, chunk.length);
    return { next: chunk.length, end: false };
  }

  #next(byte: number): State | "end" {
    const state = this.#state;
    const afterCr = state === "cr" || state === "dotCr";
    if (byte === LF) {
      if (state === "dotCr") return "end";
      if (state === "cr") return "lineStart";
      // Not "lineStart": a dot after a bare LF is no end.
      return this.#refuse("bareLineEnd");
    }
    if (afterCr) this.#refuse("bareLineEnd");
    if (byte === CR) return state === "dot" ? "dotCr" : "cr";
    if (byte === 0) return this.#refuse("nul");
    return byte === DOT && state === "lineStart" ? "dot" : "text";
  }

  #refuse(fault: Exclude<DataFault, "tooLarge">): "text" {
    this.#content ??= fault;
    return "text";
  }

  #give(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#size += bytes.length;
    if (this.fault === undefined) this.#emit(bytes);
  }
}
