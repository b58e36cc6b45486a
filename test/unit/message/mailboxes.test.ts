import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import addressparser from "nodemailer/lib/addressparser";
import { authorOf } from "../../../mailserver/message/author.ts";
import { fieldValue, parseMessage } from "../../../mailserver/message/header.ts";
import { authorsOf } from "../../../mailserver/message/mailboxes.ts";

const fields = (...lines: string[]) => parseMessage(Buffer.from([...lines, "", "hi"].join("\r\n"))).fields;

const read: [string, string[]][] = [
  ["alice@semail.test", ["alice@semail.test"]],
  ["Alice <Alice@SEMAIL.test>", ["alice@semail.test"]],
  ["Alice van der B. <alice@semail.test>", ["alice@semail.test"]],
  ['"Alice, of Wonderland" <alice@semail.test>', ["alice@semail.test"]],
  ['"bob@fake.test" <alice@semail.test>', ["alice@semail.test"]],
  ['"a \\"quote\\"" <alice@semail.test>', ["alice@semail.test"]],
  ["=?utf-8?q?Al=C3=ACce?= <alice@semail.test>", ["alice@semail.test"]],
  ["Alìce <alìce@semail.test>", ["alìce@semail.test"]],
  ["alice@bücher.test", ["alice@xn--bcher-kva.test"]],
  ["alice@semail.test (Alice at work)", ["alice@semail.test"]],
  ['"alice"@semail.test', ["alice@semail.test"]],
  ["alice+shop@semail.test", ["alice+shop@semail.test"]],
  ["\r\n\tAlice\r\n\t<alice@semail.test>", ["alice@semail.test"]],
  ["a@x.test, B <b@y.test>", ["a@x.test", "b@y.test"]],
];
for (const [value, from] of read) {
  test(`From: ${JSON.stringify(value)} is read`, () => {
    assert.deepEqual(authorsOf(fields(`From: ${value}`)), { kind: "clear", from, others: [] });
  });
}

const doubtful = [
  "",
  "Alice",
  "<>",
  "alice@semail.test <eve@evil.test>",
  "eve@evil.test <alice@semail.test>",
  "<alice@semail.test> eve@evil.test",
  "<alice@semail.test> <eve@evil.test>",
  "<alice@semail.test>, ",
  "alice@semail.test,,eve@evil.test",
  "alice@semail.test eve@evil.test",
  "alice@semail.test; eve@evil.test",
  "team: alice@semail.test, bob@semail.test;",
  "Undisclosed:;",
  "<@evil.test:alice@semail.test>",
  "alice@semail.test@evil.test",
  "alice@evil.test@semail.test",
  '"eve@evil.test"@semail.test',
  '"eve@evil.test x"@semail.test',
  '"alice@semail.test> <eve@evil.test"@semail.test',
  '"alice@semail.test',
  'Alice "x <alice@semail.test>',
  "alice@semail.test (eve@evil.test)",
  "alice@semail.test (a (b) c)",
  "alice@semail.test (open",
  'alice@semail.test (" ) eve@evil.test, ( ")',
  "alice@semail.test(.evil.test)",
  "alice(x)@semail.test",
  "alice@(x)semail.test",
  "alice@[192.0.2.1]",
  "alice@semail.test\\, eve@evil.test",
  "alice @ semail . test",
  "alice..b@semail.test",
  ".alice@semail.test",
  "a lice@semail.test",
  "alice@sem ail.test",
  "alice@\u0000semail.test",
  "alice@semail.test\u00a0eve",
  "alice@semail.test\u2028eve@evil.test",
  "alice@-.test",
  "alice@semail.test.",
  `${"a@x.test, ".repeat(2_000)}a@x.test`,
];
for (const value of doubtful) {
  test(`From: ${JSON.stringify(value.slice(0, 60))} is in doubt`, () => {
    assert.deepEqual(authorsOf(fields(`From: ${value}`)), { kind: "unclear", field: "From" });
  });
}

const OWN = "From: alice@semail.test";
test("none or several From fields are missing one", () => {
  for (const lines of [
    ["Subject: x"],
    [OWN, OWN],
    [OWN, "FROM : eve@evil.test"],
    ["Sender: alice@semail.test"],
  ]) {
    assert.deepEqual(authorsOf(fields(...lines)), { kind: "missing" }, lines.join(" / "));
  }
});

test("Sender and the Resent fields name authors too, the latter more than once", () => {
  const lines = [
    "Sender: s@x.test",
    "resent-from: a@x.test, b@x.test",
    "Resent-From: c@x.test",
    "RESENT-SENDER: d@x.test",
  ];
  const authors = authorsOf(fields(OWN, ...lines));
  assert.ok(authors.kind === "clear");
  assert.deepEqual(
    authors.others.map(({ field, address }) => `${field} ${address[0]}`),
    ["Sender s", "Resent-From a", "Resent-From b", "Resent-From c", "Resent-Sender d"],
  );
});

test("a field in doubt is named", () => {
  for (const field of ["Sender", "Resent-From", "Resent-Sender"]) {
    assert.deepEqual(authorsOf(fields(OWN, `${field}: a:b@x.test;`)), { kind: "unclear", field });
  }
  const twice = authorsOf(fields(OWN, "Sender: a@x.test", "Sender: a@x.test"));
  assert.deepEqual(twice, { kind: "unclear", field: "Sender" });
});

test("what is clear is read alike by the reader of smtp-in and by another one", () => {
  const piece = fc.constantFrom(
    ...'" ( ) < > @ , ; : \\ [ ] . % ! +'.split(" "),
    ...[
      " ",
      "alice",
      "eve",
      "semail.test",
      "evil.test",
      "alice@semail.test",
      "<eve@evil.test>",
      '"x"',
      "(c)",
    ],
  );
  let clear = 0;
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 7 }), (pieces) => {
      const all = fields(`From: ${pieces.join("")}`);
      const authors = authorsOf(all);
      if (authors.kind !== "clear") return;
      clear += 1;
      const value = all.map(fieldValue).join("");
      const others = addressparser(value).map((one) =>
        "address" in one ? one.address?.toLowerCase() : "a group",
      );
      assert.deepEqual(
        others.map((address) => address?.replaceAll('"', "")),
        authors.from,
      );
      const domains = authors.from.map((address) => address.split("@")[1]);
      assert.deepEqual(authorOf(all).domains, [...new Set(domains)]);
    }),
    { numRuns: 20_000, seed: 5 },
  );
  assert.ok(clear > 100, `only ${clear} were clear`);
});
