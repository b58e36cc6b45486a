/** Reads what trace.c wrote down (test/fixtures/images/power-cut). Pure. */

/** One change, or part of a sync. `process`: who made it. `file`: the inode. */
export type Note =
  | { readonly kind: "opened" | "created"; readonly file: number; readonly path: string }
  | {
      readonly kind: "wrote";
      readonly process: number;
      readonly file: number;
      readonly at: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: "truncated"; readonly process: number; readonly file: number; readonly size: number }
  | { readonly kind: "removed" | "folder"; readonly path: string }
  /** `linked`: has that name as well. */
  | { readonly kind: "renamed" | "linked"; readonly from: string; readonly to: string }
  | {
      readonly kind: "began" | "synced";
      readonly process: number;
      readonly file: number;
      readonly sync: number;
    }
  | { readonly kind: "unknown"; readonly call: string };

/** kind, process, file, at, length */
const HEAD_BYTES = 4 + 4 + 8 + 8 + 8;

interface Head {
  readonly kind: number;
  readonly process: number;
  readonly file: number;
  readonly at: number;
  readonly bytes: Buffer;
}

/** By their number in trace.c. */
const KINDS: Readonly<Record<number, (head: Head) => Note>> = {
  1: ({ file, bytes }) => ({ kind: "opened", file, path: bytes.toString() }),
  2: ({ file, bytes }) => ({ kind: "created", file, path: bytes.toString() }),
  3: ({ process, file, at, bytes }) => ({ kind: "wrote", process, file, at, bytes }),
  4: ({ process, file, at: size }) => ({ kind: "truncated", process, file, size }),
  5: ({ bytes }) => ({ kind: "removed", path: bytes.toString() }),
  6: ({ bytes }) => {
    const [from = "", to = ""] = bytes.toString().split("\0");
    return { kind: "renamed", from, to };
  },
  7: ({ process, file, at: sync }) => ({ kind: "began", process, file, sync }),
  8: ({ process, file, at: sync }) => ({ kind: "synced", process, file, sync }),
  9: ({ bytes }) => ({ kind: "folder", path: bytes.toString() }),
  10: ({ bytes }) => ({ kind: "unknown", call: bytes.toString() }),
};

/** Throws for a kind of note that it does not know. A last one that was cut off is left out: nothing came of it. */
export function* readTrace(trace: Buffer): Generator<Note> {
  for (let start = 0; start + HEAD_BYTES <= trace.length; ) {
    const long = (at: number): number => Number(trace.readBigUInt64LE(start + at));
    const body = start + HEAD_BYTES;
    const end = body + long(24);
    if (end > trace.length) return;
    const kind = trace.readUInt32LE(start);
    const make = KINDS[kind];
    if (make === undefined) throw new Error(`a note of the unknown kind ${kind}`);
    const process = trace.readUInt32LE(start + 4);
    yield make({ kind, process, file: long(8), at: long(16), bytes: trace.subarray(body, end) });
    start = end;
  }
}
