import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { describe, it } from "node:test";
import { messageAt, toMbox } from "../../../mailserver/backup/mbox.ts";

const received = new Date("2026-03-04T05:06:07Z");
/** In pieces of that size. */
async function* pieces(text: string, size: number) {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function mbox(text: string, more: { directory?: string; name?: string } = {}, size = 2 ** 16) {
  const file = { directory: "", name: "1.a.b,S=1:2,", received, text: pieces(text, size), ...more };
  return (await buffer(toMbox(file))).toString("latin1");
}

describe("a message in an mbox", () => {
  it("has its sender and time on the first line, flags and folder in fields of its header", async () => {
    const text = "Return-Path: <a@b.test>\nSubject: x\n\nHello\n";
    assert.equal(
      await mbox(text, { directory: ".Projets.&AMk-t&AOk-", name: "1.a.b,S=1:2,FRS" }),
      "From a@b.test Wed Mar  4 05:06:07 2026\n" +
        "Return-Path: <a@b.test>\nSubject: x\nStatus: RO\nX-Status: AF\nX-Folder: =?utf-8?B?UHJvamV0cy/DiXQ=?=\n =?utf-8?B?w6k=?=\n\nHello\n\n",
    );
  });

  it("names no sender where there is none, whatever the body says", async () => {
    assert.match(await mbox("Subject: x\n\nReturn-Path: <a@b.test>\n"), /^From MAILER-DAEMON Wed/);
  });

  for (const [what, body, wanted] of [
    [
      "lines that begin like a message",
      "From me\n>From me\n>>From\nFrom",
      ">From me\n>>From me\n>>From\nFrom\n",
    ],
    ["no end of its last line", "Hello", "Hello\n"],
    ["bytes that are no characters", "\xe9\xff\r\n", "\xe9\xff\n"],
  ] as const) {
    it(`keeps ${what}`, async () => {
      const text = `Subject: x\n\n${body}`;
      assert.ok((await mbox(text)).endsWith(`X-Folder: INBOX\n\n${wanted}\n`));
    });
  }

  for (const [what, text] of [
    [
      "with all that is quoted or changed",
      "Subject: x\r\n\r\nFrom a\r\n>>From b\n>Fro\n >From c\nxFrom d\rFrom e\n\n>F",
    ],
    ["that ends within the word", "Subject: x\n\n>From"],
    ["that ends with half an end of a line", "Subject: x\r\n\r\nHello\r"],
    ["with fields alone", "From z\r\nSubject: x\r\n"],
    ["with fields alone and no end of the last", "Subject: x"],
    ["without fields", "\nFrom a\n"],
    ["with nothing", ""],
  ] as const) {
    it(`is the same, in whatever pieces it is read: one ${what}`, async () => {
      const whole = await mbox(text);
      assert.match(whole, /^From MAILER-DAEMON [\s\S]*X-Folder: INBOX\n[\s\S]*\n$/);
      for (let size = 1; size <= text.length; size += 1)
        assert.equal(await mbox(text, {}, size), whole, `${size}`);
    });
  }

  it("is quoted line by line, and nowhere else", async () => {
    const whole = await mbox("Subject: x\r\n\r\nFrom a\r\n>>From b\n>Fro\n >From c\nxFrom d\n", {}, 3);
    assert.ok(whole.endsWith("\n\n>From a\n>>>From b\n>Fro\n >From c\nxFrom d\n\n"));
  });

  it("is written as it is read, also one whose header has no end", async () => {
    for (const begin of ["Subject: x\n\n", "Subject: x\n"]) {
      let [read, written, most] = [0, 0, 0];
      async function* large() {
        yield Buffer.from(begin);
        for (; read < 2 ** 26; read += 2 ** 16) {
          most = Math.max(most, read - written);
          yield Buffer.alloc(2 ** 16, ">");
        }
      }
      const file = { directory: "", name: "1.a:2,", received, text: large() };
      for await (const piece of toMbox(file)) written += piece.length;
      assert.ok(written > read, "all of it");
      assert.ok(most < 2 ** 21, `${most} bytes were kept back`);
    }
  });

  it("is found by its path in an archive", () => {
    const at = (path: string) => messageAt(path);
    assert.deepEqual(at("/Maildir/cur/1.a:2,S"), { directory: "", name: "1.a:2,S" });
    assert.deepEqual(at("Maildir/.Archive.2025/new/1.a"), { directory: ".Archive.2025", name: "1.a" });
    for (const path of [
      "Maildir/tmp/1.a",
      "Maildir/dovecot-uidlist",
      "sieve/cur/x",
      "Maildir/.a/.b/cur/1",
      "Maildir/cur/",
    ])
      assert.equal(at(path), undefined, path);
  });
});
