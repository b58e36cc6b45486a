import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseStrings, quoteBytes, toText, txtBytes } from "../../../sdks/gandi/txt.ts";

const written = [
  { name: "plain text", text: "v=spf1 mx -all", wanted: '"v=spf1 mx -all"' },
  { name: "nothing", text: "", wanted: '""' },
  { name: "quotes and backslashes", text: 'a "b" \\c', wanted: '"a \\"b\\" \\\\c"' },
  { name: "a semicolon", text: "p=1; q", wanted: '"p=1; q"' },
  { name: "bytes beyond ASCII", text: "ü\n", wanted: '"\\195\\188\\010"' },
  { name: "255 bytes", text: "x".repeat(255), wanted: `"${"x".repeat(255)}"` },
  { name: "256 bytes", text: "x".repeat(256), wanted: `"${"x".repeat(255)}" "x"` },
  // Bytes count, not characters: the last ü is torn apart, as DNS strings are bytes.
  {
    name: "256 bytes of 128 characters",
    text: "ü".repeat(128),
    wanted: `"${"\\195\\188".repeat(127)}\\195" "\\188"`,
  },
];
for (const { name, text, wanted } of written) {
  test(`text is quoted and split: ${name}`, () => assert.equal(quoteBytes(Buffer.from(text)), wanted));
}

const read = [
  { name: "several strings are one value", text: '"a" "b"', wanted: "ab" },
  { name: "strings side by side", text: '"a""b"', wanted: "ab" },
  { name: "unquoted words", text: "a b", wanted: "ab" },
  { name: "escapes", text: '"\\"\\\\\\195\\188"', wanted: '"\\ü' },
  { name: "an escape of a sign beyond the first plane", text: '"\\😀"', wanted: "😀" },
  { name: "no end quote", text: '"a', wanted: undefined },
  { name: "a stray quote", text: 'a"', wanted: undefined },
  { name: "an escape beyond a byte", text: '"\\256"', wanted: undefined },
  { name: "half an escape", text: '"\\1"', wanted: undefined },
  { name: "nothing", text: "", wanted: undefined },
];
for (const { name, text, wanted } of read) {
  test(`presentation format is read: ${name}`, () => {
    const bytes = parseStrings(text);
    assert.equal(bytes === undefined ? undefined : Buffer.from(bytes).toString(), wanted);
  });
}

test("what is written reads back as the same bytes, in strings of at most 255", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      const text = quoteBytes(bytes);
      assert.deepEqual(Buffer.from(parseStrings(text) ?? []), Buffer.from(bytes));
      assert.match(text, /^[\x20-\x7e]+$/);
      for (const string of text.match(/"(?:[^"\\]|\\.)*"/g) ?? []) {
        assert.ok((parseStrings(string) ?? []).length <= 255);
      }
    }),
  );
});

test("reading any text ends, and never throws", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('"', "\\", "1", "9", " ", "a") }),
      (t) => void parseStrings(t),
    ),
  );
  parseStrings(`"${"\\1".repeat(50_000)}`);
});

test("a value from DNS becomes text that means the same", () => {
  assert.equal(toText('"v=spf1 " "mx"'), "v=spf1 mx");
  assert.equal(toText('"\\"quoted\\""'), '"\\"quoted\\""');
  assert.equal(toText('"\\255"'), '"\\255"');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.deepEqual(Buffer.from(txtBytes(toText(quoteBytes(bytes))) ?? []), Buffer.from(bytes));
    }),
  );
});
