import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sameValues, toWire, valueFault } from "../../../sdks/gandi/rdata.ts";
import { quoteBytes } from "../../../sdks/gandi/txt.ts";

const zone = "example.org";

const same = [
  { type: "MX", a: ["10 mail", "20 mx.example.net."], b: ["20 MX.example.net.", "10 mail.example.org."] },
  { type: "MX", a: ["010  mail"], b: ["10 mail"] },
  { type: "CNAME", a: ["@"], b: ["example.org."] },
  { type: "SRV", a: ["0 1 993 imap"], b: ["0 1 993 imap.example.org."] },
  { type: "TXT", a: ["v=spf1 mx -all"], b: ['"v=spf1 " "mx -all"'] },
  { type: "TXT", a: ["ü"], b: ['"\\195\\188"'] },
  { type: "AAAA", a: ["2001:DB8:0::1"], b: ["2001:db8::1"] },
  { type: "CAA", a: ['0 issue "ca.example"'], b: ["0 ISSUE ca.example"] },
  { type: "TLSA", a: ["3 1 1 ABCD EF01"], b: ["3 1 1 abcdef01"] },
  { type: "LOC", a: ["1  2"], b: ["1 2"] },
];
for (const { type, a, b } of same) {
  test(`${type} means the same: ${a} and ${b}`, () => assert.ok(sameValues(a, b, type, zone)));
}

const different = [
  { type: "MX", a: ["10 mail"], b: ["10 mail."] },
  { type: "MX", a: ["10 mail"], b: ["20 mail"] },
  { type: "MX", a: ["10 mail"], b: ["10 mail", "20 mail"] },
  { type: "TXT", a: ["a b"], b: ["a  b"] },
  { type: "TXT", a: ["A"], b: ["a"] },
  { type: "OPENPGPKEY", a: ["AAAA"], b: ["aaaa"] },
  { type: "A", a: ["10.0.0.1"], b: ["10.0.0.2"] },
];
for (const { type, a, b } of different) {
  test(`${type} means something else: ${a} and ${b}`, () => assert.ok(!sameValues(a, b, type, zone)));
}

test("order never matters, and what is sent means what was given", () => {
  const list = fc.uniqueArray(
    fc.string({ unit: "binary" }).filter((t) => !t.startsWith('"')),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(list, (values) => {
      assert.ok(sameValues(values, [...values].reverse(), "TXT", zone));
      assert.ok(
        sameValues(
          values,
          values.map((value) => toWire(value, "TXT")),
          "TXT",
          zone,
        ),
      );
    }),
  );
});

/** A text as providers and people write it: cut anywhere, quoted, with needless escapes and blanks between. */
const spelled = fc
  .tuple(
    fc.uint8Array({ minLength: 1, maxLength: 700 }),
    fc.infiniteStream(
      fc.tuple(fc.integer({ min: 1, max: 255 }), fc.constantFrom("", " ", "  "), fc.boolean()),
    ),
  )
  .map(([bytes, cuts]) => {
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const [length = 255, blank = " ", decimal] = cuts.next().value ?? [];
      const part = [...bytes.subarray(at, at + length)];
      const escaped = part.map((byte) => `\\${String(byte).padStart(3, "0")}`).join("");
      text += `${at === 0 ? "" : blank}${decimal ? `"${escaped}"` : quoteBytes(Uint8Array.from(part))}`;
      at += length;
    }
    return { bytes, text };
  });

test("however a text is cut, quoted and escaped, it is the same value, and another one isn't", () => {
  fc.assert(
    fc.property(spelled, ({ bytes, text }) => {
      const sent = quoteBytes(bytes);
      assert.ok(sameValues([text], [sent], "TXT", zone), text);
      assert.equal(toWire(text, "TXT"), sent);
      assert.ok(!sameValues([text], [quoteBytes(Uint8Array.of(...bytes, 0x20))], "TXT", zone));
    }),
  );
});

const good = [
  { type: "MX", value: "10 mail" },
  { type: "MX", value: "0 ." },
  { type: "SRV", value: "0 0 0 ." },
  { type: "CNAME", value: "_acme.example.net." },
  { type: "CNAME", value: "@" },
  { type: "A", value: "192.0.2.1" },
  { type: "TXT", value: "" },
];
for (const { type, value } of good) {
  test(`${type} is valid: ${value}`, () => assert.equal(valueFault(value, type, zone), undefined));
}

const bad = [
  { type: "MX", value: "mail", fault: /form PREFERENCE HOST/ },
  { type: "MX", value: "70000 mail", fault: /form PREFERENCE HOST/ },
  {
    type: "MX",
    value: "10 mail.example.org",
    fault: /no dot at its end.*mail\.example\.org\.example\.org\..*write "mail\.example\.org\."/,
  },
  { type: "CNAME", value: "example.org", fault: /no dot at its end/ },
  { type: "MX", value: "10 192.0.2.1", fault: /an address where a host name belongs/ },
  { type: "MX", value: "10 a..b.", fault: /no host name/ },
  { type: "CNAME", value: ".", fault: /no host name/ },
  { type: "A", value: "192.0.2.256", fault: /no IPv4 address/ },
  { type: "AAAA", value: "192.0.2.1", fault: /no IPv6 address/ },
  { type: "CAA", value: "0 issue\n", fault: /line break/ },
  { type: "TXT", value: '"a', fault: /not well quoted/ },
];
for (const { type, value, fault } of bad) {
  test(`${type} is not valid: ${value}`, () => assert.match(valueFault(value, type, zone) ?? "", fault));
}
