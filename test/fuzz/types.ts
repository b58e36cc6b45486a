/** What the fuzzer plays. Texts hold a byte in each character (latin1). */

/** Bytes of one side, and what happens before them (server: a mark of the dialogues). */
export interface Segment {
  readonly mark?: "STOP" | "GONE";
  readonly text: string;
}

/** One play against a session of ours; `profile` are words that choose its options. */
export interface Case {
  readonly target: "server" | "client";
  readonly profile: readonly string[];
  readonly segments: readonly Segment[];
}

/** How a play went. */
export interface Verdict {
  /** What is wrong; undefined when nothing is. */
  readonly fault: string | undefined;
  /** What happened, in order: unseen pairs of it make a case worth keeping. */
  readonly trace: readonly string[];
}

/** The ways in which the bytes of a segment may arrive. */
export type Cut = (bytes: Buffer) => readonly Uint8Array[];

export const whole: Cut = (bytes) => (bytes.length === 0 ? [] : [bytes]);
export const byteByByte: Cut = (bytes) => [...bytes].map((byte) => Uint8Array.of(byte));
