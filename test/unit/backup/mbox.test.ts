import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { messageAt, toMbox } from "../../../mailserver/backup/mbox.ts";

const received = new Date("2026-03-04T05:06:07Z");
const mbox = (text: string, more: { directory?: string; name?: string } = {}) =>
  toMbox({
    directory: "",
    name: "1.a.b,S=1:2,",
    received,
    text: Buffer.from(text, "latin1"),
    ...more,
  }).toString("latin1");

describe("a message in an mbox", () => {
  it("has its sender and time on the first line, flags and folder in fields of its header", () => {
    const text = "Return-Path: <a@b.test>\nSubject: x\n\nHello\n";
    assert.equal(
      mbox(text, { directory: ".Projets.&AMk-t&AOk-", name: "1.a.b,S=1:2,FRS" }),
      "From a@b.test Wed Mar  4 05:06:07 2026\n" +
        "Return-Path: <a@b.test>\nSubject: x\nStatus: RO\nX-Status: AF\nX-Folder: =?utf-8?B?UHJvamV0cy/DiXQ=?=\n =?utf-8?B?w6k=?=\n\nHello\n\n",
    );
  });

  it("names no sender where there is none, whatever the body says", () => {
    assert.match(mbox("Subject: x\n\nReturn-Path: <a@b.test>\n"), /^From MAILER-DAEMON Wed/);
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
    it(`keeps ${what}`, () => {
      assert.ok(mbox(`Subject: x\n\n${body}`).endsWith(`X-Folder: INBOX\n\n${wanted}\n`));
    });
  }

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
