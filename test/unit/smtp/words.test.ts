import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeAddress, parseAddress, parseEnvelopeAddress } from "../../../mailserver/smtp/address.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import { BadReply, formatReply, ReplyParser } from "../../../mailserver/smtp/reply-format.ts";
import type { Reply } from "../../../mailserver/smtp/types.ts";

/** Every text of up to so many of these. */
function* combinations(letters: readonly string[], most: number, begun = ""): Generator<string> {
  yield begun;
  if (most === 0) return;
  for (const letter of letters) yield* combinations(letters, most - 1, begun + letter);
}

describe("addresses", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["a@b.example", "a@b.example"],
    ["A.b+c@B.Example", "A.b+c@b.example"],
    ['"a b"@c.example', '"a b"@c.example'],
    ['"a\\"b"@c.example', '"a\\"b"@c.example'],
    ['"plain"@c.example', "plain@c.example"],
    ['"a.b."@c.example', '"a.b."@c.example'],
    ['""@c.example', '""@c.example'],
    ["a@[127.0.0.1]", "a@[127.0.0.1]"],
    ["a@[IPv6:::1]", "a@[ipv6:::1]"],
    ["a@[127.0.0.1", undefined],
    ["a@[127.0.0.256]", undefined],
    ["a@localhost", "a@localhost"],
    ["a", undefined],
    ["@b.example", undefined],
    ["a@", undefined],
    ["a@b@c", undefined],
    ["a@b.example.", undefined],
    ["a@b..example", undefined],
    ["a@b-.example", undefined],
    [".a@b.example", undefined],
    ["a..b@c.example", undefined],
    ["a b@c.example", undefined],
    ["<a@b.example>", undefined],
    ["a@b.example\r\nRCPT TO:<c@d>", undefined],
    ["a@b.example\n", undefined],
    ["ü@b.example", undefined],
    [`a@${"b".repeat(63)}.example`, `a@${"b".repeat(63)}.example`],
    [`a@${"b".repeat(64)}.example`, undefined],
    [`a@${"bcd.".repeat(70)}example`, undefined],
    [`${"a".repeat(300)}@b.example`, `${"a".repeat(300)}@b.example`],
  ];
  for (const [text, want] of cases) {
    test(`${JSON.stringify(text.slice(0, 60))} is ${want === undefined ? "none" : "one"}`, () => {
      assert.equal(parseAddress(text)?.text, want);
    });
  }

  test("with UTF-8 where it is allowed, in one normal form", () => {
    assert.equal(parseAddress("ü@BÜCHER.example", { utf8: true })?.text, "ü@bücher.example");
    const decomposed = parseAddress("u@bu\u0308cher.example", { utf8: true });
    assert.equal(decomposed?.text, "u@bücher.example");
    // Whatever compares domains knows one form of each.
    assert.equal(decomposed?.domain, "xn--bcher-kva.example");
    assert.equal(parseAddress("u@Ⅷ.example", { utf8: true })?.domain, "viii.example");
  });

  test("what is one can be read again as it is written, however it grows when it is made small", () => {
    const read = (domain: string) => parseAddress(`a@${domain}`, { utf8: true });
    assert.equal(read(`${"İ".repeat(40)}.example`), undefined, "80 characters, made small");
    assert.equal(read(Array.from({ length: 8 }, () => "İ".repeat(16)).join(".")), undefined, "263 of them");
    const longest = read(`${"İ".repeat(31)}.example`);
    assert.ok(longest);
    assert.equal(parseAddress(longest.text, { utf8: true })?.text, longest.text);
  });

  const odd = [
    "a..b@c.example",
    ".a@c.example",
    "a.@c.example",
    "..a..b..@c.example",
    "a@b_c.example",
    "a@_b.c_",
  ];
  for (const text of odd) {
    test(`${text} is one in an envelope, as it is, and none that a person or a setting may write`, () => {
      assert.equal(parseEnvelopeAddress(text)?.text, text);
      assert.equal(parseAddress(text, { utf8: true }), undefined);
    });
  }

  test("of an envelope are read again as they are written, and mean one thing however it is quoted", () => {
    for (const text of combinations(["a", ".", '"', "\\", "_", "-", " ", "@"], 6)) {
      const found = parseEnvelopeAddress(`${text}@b_c.d`) ?? parseEnvelopeAddress(`a@${text}`);
      if (found === undefined) continue;
      assert.deepEqual(parseEnvelopeAddress(found.text), found, text);
      if (!found.text.startsWith('"')) assert.match(found.text, /^[a._-]+@/, text);
      // By the letter of the RFC it is the same mailbox.
      assert.equal(makeAddress(found.local, found.domain).local, found.local);
      const strict = parseAddress(found.text);
      if (strict !== undefined) assert.deepEqual(strict, found, text);
    }
  });

  test("are read in a time that grows with their length", () => {
    const long = `${".a".repeat(500_000)}${"_.".repeat(500_000)}`;
    for (const text of [long, `${long}@`, `a@${long}`, ".".repeat(1_000_000)]) {
      assert.equal(parseEnvelopeAddress(`${text} `), undefined);
    }
  });

  test("the local part's meaning is without quotes", () => {
    assert.equal(parseAddress('"a\\"b c"@d.example')?.local, 'a"b c');
    assert.equal(makeAddress('a"b c', "d.example").text, '"a\\"b c"@d.example');
  });
});

describe("replies", () => {
  test("every one with an enhanced code has the class of its code, and short ASCII text", () => {
    const all = Object.entries(replies).flatMap(([name, value]): [string, Reply][] =>
      typeof value === "function" ? [] : [[name, value]],
    );
    assert.ok(all.length > 50);
    for (const [name, reply] of all) {
      if (reply.enhanced !== undefined) {
        assert.match(reply.enhanced, /^[245]\.\d{1,3}\.\d{1,3}$/, name);
        assert.equal(reply.enhanced[0], String(reply.code)[0], name);
      }
      for (const line of formatReply(reply).trimEnd().split("\r\n")) assert.ok(line.length < 120, name);
      assert.equal(reply.code === 421, reply.code === 421 && reply.close === true, name);
    }
  });

  test("are written with the enhanced code on each line", () => {
    assert.equal(
      formatReply(replies.reply(550, "5.1.1", "one", "two")),
      "550-5.1.1 one\r\n550 5.1.1 two\r\n",
    );
    assert.equal(formatReply({ code: 354, lines: ["go"] }), "354 go\r\n");
  });

  test("can't be split by what they quote", () => {
    assert.equal(formatReply(replies.reply(550, "5.0.0", "a\r\n250 ok\0é")), "550 5.0.0 a??250 ok??\r\n");
    assert.equal(formatReply(replies.reply(550, "5.0.0", "x".repeat(900))).length, 512);
  });

  test("are read in any portions", () => {
    const text = "250-mx\r\n250-SIZE 5\r\n250 X\r\n550 5.1.1 no\r\n354\r\n";
    const parser = new ReplyParser();
    const found = [...Buffer.from(text)].flatMap((byte) => parser.push(Uint8Array.of(byte)));
    assert.deepEqual(found, [
      { code: 250, lines: ["mx", "SIZE 5", "X"] },
      { code: 550, enhanced: "5.1.1", lines: ["no"] },
      { code: 354, lines: [""] },
    ]);
  });

  const returns: Readonly<Record<string, { sent: string; read: Reply }>> = {
    "several at the end of a line": {
      sent: "250-mx\r\r\n250 X\r\r\r\n",
      read: { code: 250, lines: ["mx", "X"] },
    },
    "several behind the bare code": { sent: "354\r\r\n", read: { code: 354, lines: [""] } },
    "several behind the enhanced code": {
      sent: "250 2.0.0\r\r\n",
      read: { code: 250, enhanced: "2.0.0", lines: [""] },
    },
    "within the text": {
      sent: "550 5.1.1 no\r250 yes\r\n",
      read: { code: 550, enhanced: "5.1.1", lines: ["no 250 yes"] },
    },
    "none at the end": { sent: "250 X\n", read: { code: 250, lines: ["X"] } },
  };
  for (const [name, { sent, read }] of Object.entries(returns)) {
    test(`are read with carriage returns: ${name}`, () => {
      const parser = new ReplyParser();
      const portions = [...Buffer.from(sent)].flatMap((byte) => parser.push(Uint8Array.of(byte)));
      assert.deepEqual(portions, [read]);
      assert.deepEqual(new ReplyParser().push(Buffer.from(sent)), [read]);
    });
  }

  test("of nothing but carriage returns keep nobody waiting", () => {
    const start = performance.now();
    assert.equal(new ReplyParser().push(Buffer.from(`250 ${"\r".repeat(65_000)}x\r\n`)).length, 1);
    assert.ok(performance.now() - start < 1_000);
  });

  test("are refused when they are none, or endless", () => {
    assert.throws(() => new ReplyParser().push(Buffer.from("250\r x\r\n")), BadReply);
    assert.throws(() => new ReplyParser().push(Buffer.from("hello\r\n")), BadReply);
    assert.throws(() => new ReplyParser().push(Buffer.from("999 x\r\n")), BadReply);
    const parser = new ReplyParser();
    assert.throws(() => {
      for (let i = 0; i < 100; i += 1) parser.push(Buffer.from("x".repeat(1_000)));
    }, BadReply);
  });
});
