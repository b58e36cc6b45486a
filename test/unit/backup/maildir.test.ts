import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { directoryOf, folderOf, isFolderName } from "../../../mailserver/backup/folder-name.ts";
import { identityOf, parseKeywords, translateName } from "../../../mailserver/backup/maildir.ts";
import { missingOf } from "../../../mailserver/backup/merge.ts";
import { faultOf } from "../../../mailserver/backup/restic.ts";
import { chooseSnapshot, type Snapshot, tagsOf } from "../../../mailserver/backup/snapshots.ts";

describe("names of folders", () => {
  const cases = [
    ["INBOX", ""],
    ["Archive", ".Archive"],
    ["Archive/2025", ".Archive.2025"],
    ["Bücher", ".B&APw-cher"],
    ["A&B", ".A&-B"],
    // RFC 3501 section 5.1.3 has this one.
    ["~peter/mail/台北/日本語", ".~peter.mail.&U,BTFw-.&ZeVnLIqe-"],
    ["😀", ".&2D3eAA-"],
  ] as const;
  for (const [folder, directory] of cases)
    it(`${folder} is ${directory || "the Maildir itself"}`, () => {
      assert.equal(directoryOf(folder), directory);
      assert.equal(folderOf(directory), folder);
    });

  for (const directory of [".R&Dx-", ".R&D-", ".A&!-B", ".&", ".&AMk"])
    it(`is what it is called on disk where that is ${directory}, which no mail program wrote`, () =>
      assert.equal(folderOf(directory), directory.slice(1)));

  it("is INBOX in any case", () => assert.equal(directoryOf("Inbox"), ""));
  for (const bad of ["", "..", "a/../b", "a//b", "/a", "a.b", "a\nb"])
    it(`is not ${JSON.stringify(bad)}`, () => assert.equal(isFolderName(bad), false));
});

describe("messages of a Maildir", () => {
  it("stay the same whatever their flags, size and place", () => {
    const there = [
      { place: "cur", name: "1.M1.host,S=5,W=6:2,S" },
      { place: "new", name: "2.M2.host" },
    ] as const;
    const saved = [
      { place: "new", name: "1.M1.host,S=5,W=6" },
      { place: "cur", name: "2.M2.host:2,F" },
      { place: "cur", name: "3.M3.host:2," },
    ] as const;
    assert.deepEqual(missingOf(saved, there), [saved[2]]);
    assert.equal(identityOf("3.M3.host:2,RS"), "3.M3.host");
  });

  it("keep their labels under the letters of the folder they go to, and say which it has none for", () => {
    const from = parseKeywords("0 $Forwarded\n1 invoice\n2 gone\nnonsense\n26 too-far\n");
    const to = parseKeywords("0 invoice\n3 $Forwarded\n");
    assert.deepEqual(translateName("1.host:2,Sabc", from, to), { name: "1.host:2,Sad", lost: 1 });
    assert.deepEqual(translateName("1.host", from, to), { name: "1.host", lost: 0 });
  });
});

const SUMMARY = { total_files_processed: 4_500, total_bytes_processed: 90_000_000 };

describe("the snapshot that is meant", () => {
  const at = (id: string, time: string, folder?: string, files?: number): Snapshot => ({
    ...{ id: id.padEnd(64, "0"), short_id: id, time, hostname: "alice" },
    ...{ tags: tagsOf(folder, files).split(","), paths: ["/srv/mail/.backup/hold"], summary: SUMMARY },
  });
  const list = [
    at("aaaa", "2026-01-01T00:00:00Z"),
    at("bbbb", "2026-01-03T00:00:00Z", "A,b/ü"),
    at("aacc", "2026-01-02T00:00:00Z", undefined, SUMMARY.total_files_processed),
    at("eeee", "2026-01-04T00:00:00Z", undefined, SUMMARY.total_files_processed + 1),
    at("ffff", "2026-01-05T00:00:00Z", "A,b/ü", SUMMARY.total_files_processed + 1),
  ];
  const cases = [
    ["the latest of the whole mailbox", undefined, undefined, "aacc"],
    ["the latest that has the folder", undefined, "A,b/ü", "bbbb"],
    ["a whole one for another folder", undefined, "Sent", "aacc"],
    ["the one with that id", "aaaa", undefined, "aaaa"],
    ["one that lacks some of it, when it is named", "eeee", undefined, "eeee"],
    ["refused: the id of two", "aa", undefined, /More than one snapshot of alice is aa/],
    ["refused: the id of none", "dddd", undefined, /No snapshot of alice is dddd/],
    ["refused: one that lacks the folder", "bbbb", "Sent", /has the folder A,b\/ü alone/],
  ] as const;
  for (const [what, id, folder, expected] of cases)
    it(`is ${what}`, () => {
      const choose = () => chooseSnapshot(list, { uid: "alice", id, folder }).short_id;
      if (typeof expected === "string") assert.equal(choose(), expected);
      else assert.throws(choose, expected);
    });

  // As restic writes times, in whatever zone its host was.
  const host = [
    at("aaaa", "2026-01-01T23:30:00.123456789-02:00"),
    at("bbbb", "2026-01-02T02:00:00+01:00", "A"),
    at("cccc", "2026-01-02T02:30:00.5Z"),
  ];
  const made = [
    [
      "the latest from before a new host, not what was saved of it while it was empty",
      "02:30:00.000",
      "aaaa",
    ],
    ["the latest where none is from before the host", "00:00:00.000", "cccc"],
    ["the latest where all are from before the host", "09:00:00.000", "cccc"],
  ] as const;
  for (const [what, time, expected] of made)
    it(`is ${what}`, () => {
      const wanted = { uid: "alice", id: undefined, folder: undefined, before: `2026-01-02T${time}Z` };
      assert.equal(chooseSnapshot(host, wanted).short_id, expected);
    });
});

describe("a failed restic", () => {
  const cases = [
    [12, "", /password does not open the repository \/r/, /npm run secret -- backupPassword/],
    [10, "", /no repository at \/r yet/, /save --all/],
    [11, "", /Another backup works/, /Try again/],
    [
      1,
      '{"message_type":"exit_error","code":1,"message":"Fatal: dial: no route"}\n',
      /dial: no route/,
      /reached/,
    ],
    [null, "", /no answer in time/, /reached/],
    [
      null,
      "List(key) returned error, retrying after 38.196978988s: The request signature does not match.\n",
      /no other answer in time than The request signature does not match/,
      /its keys/,
    ],
  ] as const;
  for (const [code, said, cause, remedy] of cases)
    it(`that ends with ${code}${said && ` and ${said.slice(0, 20)}…`} says what to do`, () => {
      const fault = faultOf(code, said, "/r");
      assert.match(fault.message, cause);
      assert.match(fault.remedy, remedy);
    });
});
