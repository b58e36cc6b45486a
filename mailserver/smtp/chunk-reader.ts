/**
 * The message of BDAT, RFC 3030: chunks of so many octets, whatever these look like. A chunk is always read to its
 * end, also one that is refused: its octets must never be taken for commands.
 */
import type { DataFault, DataProgress } from "./data-reader.ts";

const CR = 13;
const LF = 10;

/** Counts octets out of a byte stream. */
export class OctetReader {
  readonly #take: (bytes: Uint8Array) => void;
  #left: number;

  /** `take` gets views into the chunks. */
  constructor(octets: number, take: (bytes: Uint8Array) => void) {
    this.#left = octets;
    this.#take = take;
  }

  /** Nothing is left to read. */
  get done(): boolean {
    return this.#left === 0;
  }

  read(chunk: Uint8Array, offset: number): DataProgress {
    const next = Math.min(chunk.length, offset + this.#left);
    this.#left -= next - offset;
    if (next > offset) this.#take(chunk.subarray(offset, next));
    return { next, end: this.done };
  }
}

/** A message in chunks: its size and what is wrong with it, over all of them. */
export class ChunkedMessage {
  readonly #limit: number;
  readonly #binary: boolean;
  readonly #emit: (bytes: Uint8Array) => void;
  #announced = 0;
  #size = 0;
  #lastWasCr = false;
  #fault: DataFault | undefined;

  /** `emit` gets views, never more than `limit` bytes in all, and none after a fault. */
  constructor(options: {
    readonly limit: number;
    /** BODY=BINARYMIME: no lines, so no rules for them. */
    readonly binary: boolean;
    readonly emit: (bytes: Uint8Array) => void;
  }) {
    this.#limit = options.limit;
    this.#binary = options.binary;
    this.#emit = options.emit;
  }

  /** Bytes of the message so far. */
  get size(): number {
    return this.#size;
  }

  get fault(): DataFault | undefined {
    return this.#fault;
  }

  /** A chunk of so many octets begins. */
  announce(octets: number): void {
    this.#announced += octets;
    if (this.#announced > this.#limit) this.#fault ??= "tooLarge";
  }

  /** Octets of a chunk. */
  take(bytes: Uint8Array): void {
    if (this.#fault !== undefined) return;
    this.#size += bytes.length;
    if (!this.#binary) this.#check(bytes);
    if (this.#fault === undefined) this.#emit(bytes);
  }

  /** No chunk follows. */
  finish(): void {
    if (this.#lastWasCr) this.#fault ??= "bareLineEnd";
  }

  /** What leaves us by DATA must keep to the rules of DATA (RFC 5321 section 2.3.8), however it came. */
  #check(bytes: Uint8Array) {
    let afterCr = this.#lastWasCr;
    for (const byte of bytes) {
      if ((byte === LF) !== afterCr) return this.#refuse("bareLineEnd");
      if (byte === 0) return this.#refuse("nul");
      afterCr = byte === CR;
    }
    this.#lastWasCr = afterCr;
  }

  #refuse(fault: DataFault): void {
    this.#fault = fault;
    this.#lastWasCr = false;
  }
}

/** What BDAT said. */
export interface ChunkArgument {
  readonly octets: number;
  readonly last: boolean;
}

/** RFC 3030 section 2: `chunk-size [SP LAST]`; undefined when it is no count of octets that can be kept to. */
export function parseChunkArgument(argument: string): ChunkArgument | undefined {
  const match = /^[ \t]*([0-9]{1,15})(?:[ \t]+(LAST))?[ \t]*$/i.exec(argument);
  return match ? { octets: Number(match[1]), last: match[2] !== undefined } : undefined;
}
