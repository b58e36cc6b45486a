import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type DataFault, DataReader } from "../../../mailserver/smtp/data-reader.ts";
import { DotStuffer } from "../../../mailserver/smtp/dot-stuff.ts";

/** Reads pieces as one message; `rest` is what follows its end. */
function read(
  pieces: readonly Uint8Array[],
  limit = 1e9,
): { text: string; fault: DataFault | undefined; end: boolean; rest: string } {
  const chunks: Buffer[] = [];
  const reader = new DataReader(limit, (bytes) => chunks.push(Buffer.from(bytes)));
  let rest = "";
  let end = false;
  for (const piece of pieces) {
    if (end) {
      rest += Buffer.from(piece).toString("latin1");
      continue;
    }
    const progress = reader.read(piece, 0);
    end = progress.end;
    rest += Buffer.from(piece.subarray(progress.next)).toString("latin1");
  }
  return { text: Buffer.concat(chunks).toString("latin1"), fault: reader.fault, end, rest };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

function stuff(pieces: readonly Uint8Array[]): Buffer {
  const stuffer = new DotStuffer();
  return Buffer.concat([...pieces.map((piece) => stuffer.push(piece)), stuffer.end()]);
}

/** Bytes that are rich in what matters here. */
const tricky = fc
  .array(fc.constantFrom("\r\n", "\r\n.", ".", "\r", "\n", "a", "\0", "\r\n.\r", "é"), { maxLength: 30 })
  .map((parts) => Buffer.from(parts.join(""), "latin1"));
const lines = fc
  .array(fc.constantFrom("", ".", "..", ".a", "text", "a.", "ÿ"), { maxLength: 20 })
  .map((parts) => Buffer.from(parts.map((part) => `${part}\r\n`).join(""), "latin1"));
const places = fc.array(fc.nat(), { maxLength: 10 });

/** The same rules once more, on the whole text: what ends, what is a fault, what is left. */
function model(wire: string): { text: string; fault: boolean; end: boolean; rest: string } {
  const found = `\r\n${wire}`.indexOf("\r\n.\r\n");
  const body = found < 0 ? wire : wire.slice(0, found);
  const bare = body.replace(/\r\n/g, "");
  return {
    end: found >= 0,
    rest: found < 0 ? "" : wire.slice(found + 3),
    text: `\r\n${body}`.replace(/\r\n\./g, "\r\n").slice(2),
    fault: /[\r\n\0]/.test(bare),
  };
}

describe("reading DATA", () => {
  test("agrees with its model on any bytes, however they are cut", () => {
    fc.assert(
      fc.property(tricky, fc.boolean(), tricky, places, (before, ended, after, cuts) => {
        const wire = Buffer.concat([before, Buffer.from(ended ? "\r\n.\r\n" : ""), after]);
        const got = read(cut(wire, cuts));
        const want = model(wire.toString("latin1"));
        assert.equal(got.end, want.end);
        if (!want.end) return;
        assert.equal(got.rest, want.rest);
        assert.equal(got.fault !== undefined, want.fault);
        if (!want.fault) assert.equal(got.text, want.text);
      }),
      { numRuns: 3_000 },
    );
  });

  test("gives one piece per chunk, however many dots were in it", () => {
    const pieces: Buffer[] = [];
    const reader = new DataReader(1e9, (bytes) => pieces.push(Buffer.from(bytes)));
    reader.read(Buffer.from("..\r\n".repeat(1_000)), 0);
    reader.read(Buffer.from("..\r\nplain\r\n...\r\nend\r\n.\r\n"), 0);
    assert.deepEqual(pieces.map(String), [".\r\n".repeat(1_000), ".\r\nplain\r\n..\r\nend\r\n"]);
  });

  test("gives no byte beyond the limit and still finds the end", () => {
    fc.assert(
      fc.property(lines, fc.nat(60), places, (message, limit, cuts) => {
        const got = read(cut(Buffer.concat([stuff([message]), Buffer.from("NEXT")]), cuts), limit);
        assert.equal(got.rest, "NEXT");
        assert.ok(got.text.length <= limit);
        assert.equal(got.fault, message.length > limit ? "tooLarge" : undefined);
      }),
    );
  });
});

describe("dot-stuffing", () => {
  test("is undone by reading, however both are cut", () => {
    fc.assert(
      fc.property(lines, places, places, (message, cutsOut, cutsIn) => {
        const got = read(cut(stuff(cut(message, cutsOut)), cutsIn));
        assert.deepEqual(got, { text: message.toString("latin1"), fault: undefined, end: true, rest: "" });
      }),
      { numRuns: 1_000 },
    );
  });

  test("never lets a bare CR or LF out, nor an early end", () => {
    fc.assert(
      fc.property(
        tricky.map((bytes) => bytes.filter((byte) => byte !== 0)),
        places,
        (message, cuts) => {
          const got = read([stuff(cut(message, cuts))]);
          assert.equal(got.fault, undefined);
          assert.equal(got.end, true);
          assert.equal(got.rest, "");
          const normal = Buffer.from(message)
            .toString("latin1")
            .replace(/\r\n|\r|\n/g, "\r\n");
          assert.equal(got.text, normal === "" || normal.endsWith("\r\n") ? normal : `${normal}\r\n`);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
