import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Dialogue, type Mark, mismatch, readDialogues, Stage } from "./dialogue.ts";

const FOLDER = new URL("../../dialogues/", import.meta.url);

/** What happens first, the client's bytes after it, and what is expected of both. */
interface Segment {
  readonly mark: Mark | undefined;
  readonly bytes: Buffer;
  readonly expected: readonly string[];
}

function segments(dialogue: Dialogue): Segment[] {
  const found: { mark: Mark | undefined; bytes: Buffer; expected: string[] }[] = [
    { mark: undefined, bytes: Buffer.alloc(0), expected: [] },
  ];
  for (const step of dialogue.steps) {
    const last = found.at(-1);
    if (step.kind === "mark") {
      if (step.mark === "TLS") last?.expected.push("(starttls)");
      found.push({ mark: step.mark, bytes: Buffer.alloc(0), expected: [] });
    } else if (step.kind === "expect") last?.expected.push(step.event);
    else if (last) last.bytes = Buffer.concat([last.bytes, step.bytes]);
  }
  return found;
}

/** Plays as written: after each group of client lines exactly the expected events have happened. */
function playAsWritten(dialogue: Dialogue): void {
  const stage = new Stage(dialogue, true);
  const expected: string[] = [];
  let seen = false;
  const check = (): void => {
    assert.equal(mismatch(expected, stage.events), undefined, `\n${stage.events.join("\n")}`);
  };
  for (const step of dialogue.steps) {
    if (step.kind === "expect") {
      expected.push(step.event);
      seen = true;
      continue;
    }
    if (step.kind === "mark" && step.mark === "TLS") expected.push("(starttls)");
    if (seen) check();
    seen = false;
    if (step.kind === "mark") stage.mark(step.mark);
    else stage.send(step.bytes);
  }
  check();
}

/** Plays with the bytes of each segment cut where `cut` says. */
function playCut(dialogue: Dialogue, eager: boolean, cut: (bytes: Buffer) => readonly Uint8Array[]): void {
  const stage = new Stage(dialogue, eager);
  stage.release();
  const expected: string[] = [];
  for (const segment of segments(dialogue)) {
    if (segment.mark) stage.mark(segment.mark);
    for (const piece of cut(segment.bytes)) stage.send(piece);
    stage.release();
    expected.push(...segment.expected);
  }
  assert.equal(mismatch(expected, stage.events), undefined, `\n${stage.events.join("\n")}`);
}

const byteByByte = (bytes: Buffer): Uint8Array[] => [...bytes].map((byte) => Uint8Array.of(byte));

const cutAt =
  (places: readonly number[]) =>
  (bytes: Buffer): Uint8Array[] => {
    const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
    return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
  };

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".txt"))) {
  describe(file.replace(".txt", ""), () => {
    for (const dialogue of readDialogues(readFileSync(new URL(file, FOLDER), "utf8"))) {
      test(dialogue.name, () => {
        playAsWritten(dialogue);
        playCut(dialogue, true, (bytes) => [bytes]);
        playCut(dialogue, true, byteByByte);
        playCut(dialogue, false, byteByByte);
        playCut(dialogue, false, (bytes) => [bytes]);
        fc.assert(
          fc.property(fc.array(fc.nat(), { maxLength: 12 }), fc.boolean(), (places, eager) =>
            playCut(dialogue, eager, cutAt(places)),
          ),
          { numRuns: 20 },
        );
      });
    }
  });
}

test("there are dialogues enough to cover the protocol", () => {
  const count = readdirSync(FOLDER)
    .map((name) => readDialogues(readFileSync(new URL(name, FOLDER), "utf8")).length)
    .reduce((sum, more) => sum + more, 0);
  assert.ok(count >= 150, `${count} dialogues`);
});
