/**
 * The commands of IMAP through `access`, and the state after each, as two clients of one person see it. Debian packages no
 * imaptest; this goes through what that does.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createDeflateRaw, createInflateRaw } from "node:zlib";
import { openLab } from "../../support/docker.ts";
import { openSession, type Session } from "./session.ts";
import { openReading, type ReadingSite } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

/** What RFC 9051 has, and mail programs ask for. */
const ANNOUNCED = [
  ...["IMAP4rev1", "IDLE", "CONDSTORE", "QRESYNC", "MOVE", "SPECIAL-USE", "QUOTA", "NAMESPACE", "UIDPLUS"],
  ...[
    "SORT",
    "THREAD=REFERENCES",
    "ESEARCH",
    "SEARCHRES",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "ID",
  ],
  ...["ENABLE", "UNSELECT", "BINARY", "LITERAL+", "CHILDREN", "MULTIAPPEND", "COMPRESS=DEFLATE", "SASL-IR"],
];

describe("IMAP through access", () => {
  let site: ReadingSite;
  let one: Session;
  let two: Session;
  let folders = 0;
  let folder = "";

  const append = (subject: string, more = "", flags = "") => {
    const message = `Subject: ${subject}\r\nMessage-ID: <${subject}@x>\r\n${more}\r\nbody of ${subject}\r\n`;
    return one.ok(`APPEND ${folder} (${flags}) {${message.length}+}\r\n${message}`);
  };
  const flagsOf = async (session: Session) =>
    (await session.ok("UID FETCH 1:* (FLAGS)")).map((line) =>
      line
        .replace(/^\* \d+ FETCH /, "")
        .replace("\\Recent", "")
        .replaceAll(/\( | (?=\))/g, (m) => m.trim()),
    );

  before(async () => {
    site = await openReading(lab);
    [one, two] = [await openSession(site), await openSession(site)];
    await two.ok("ENABLE QRESYNC");
  });
  after(() => {
    for (const session of [one, two]) session?.close();
  });
  beforeEach(async () => {
    folders += 1;
    folder = `work${folders}`;
    await one.ok(`CREATE ${folder}`);
    for (const subject of ["a", "b", "c"]) await append(subject);
    await one.ok(`SELECT ${folder}`);
    await two.ok(`SELECT ${folder}`);
  });

  it("announces what mail programs ask for, and no other revision, ACLs or UTF-8 mode than it has", () => {
    for (const name of ANNOUNCED) assert.ok(one.capabilities.includes(name), name);
    for (const name of ["IMAP4rev2", "ACL", "UTF8=ACCEPT", "METADATA"])
      assert.ok(!one.capabilities.includes(name), name);
  });

  for (const command of [
    ...[
      "GETACL INBOX",
      "SETACL INBOX bob lr",
      "DELETEACL INBOX bob",
      "MYRIGHTS INBOX",
      "LISTRIGHTS INBOX bob",
    ],
    ...["SETQUOTA box (STORAGE 99999999)", "SELECT user/bob", "SELECT nowhere", "XNONSENSE"],
    ...[
      'CREATE "../evil"',
      'CREATE "a.b"',
      'SELECT "../../etc"',
      'SELECT "~bob"',
      "FETCH 9 FLAGS",
      "DELETE INBOX",
    ],
  ])
    it(`refuses ${command}, and goes on`, async () => {
      assert.match((await one.command(command)).at(-1) ?? "", /^(NO|BAD) /);
      assert.match((await one.command("NOOP")).at(-1) ?? "", /^OK /);
    });

  it("tells who waits in IDLE of mail, flags and expunges of another client", async () => {
    two.say("i IDLE");
    await two.until(/^\+ /);
    await site.send("Subject: unrelated\r\n\r\nx");
    await append("d");
    await two.until(/^\* 4 EXISTS/);
    await one.ok("UID STORE 2 +FLAGS (\\Flagged)");
    await two.until(/^\* 2 FETCH .*\\Flagged/);
    await one.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)");
    await one.ok("EXPUNGE");
    await two.until(/^\* VANISHED 1$/);
    two.say("DONE");
    await two.until(/^i OK/);
    assert.deepEqual(await one.ok("UID SEARCH ALL"), ["* SEARCH 2 3 4"]);
  });

  it("refuses a change by who has not seen the last one (CONDSTORE), and takes it then", async () => {
    const modseq = async () =>
      Number(/MODSEQ \((\d+)\)/.exec((await two.ok("UID FETCH 1 (MODSEQ)")).join())?.[1]);
    const seen = await modseq();
    await one.ok("UID STORE 1 +FLAGS (\\Answered)");
    const late = await two.command(`UID STORE 1 (UNCHANGEDSINCE ${seen}) FLAGS (\\Draft)`);
    assert.match(late.at(-1) ?? "", /^OK \[MODIFIED 1\]/);
    assert.match((await flagsOf(one))[0] ?? "", /FLAGS \(\\Answered\)/);
    await two.ok(`UID STORE 1 (UNCHANGEDSINCE ${await modseq()}) FLAGS (\\Draft)`);
    assert.match((await flagsOf(one))[0] ?? "", /FLAGS \(\\Draft\)/);
  });

  it("tells who comes back what changed and what is gone (QRESYNC)", async () => {
    const status = (await two.ok(`STATUS ${folder} (UIDVALIDITY HIGHESTMODSEQ)`)).join();
    const [, validity, modseq] = /UIDVALIDITY (\d+) HIGHESTMODSEQ (\d+)/.exec(status) ?? [];
    await two.ok("UNSELECT");
    await one.ok("UID STORE 3 +FLAGS (\\Flagged)");
    await one.ok("UID STORE 1 +FLAGS (\\Deleted)");
    await one.ok("UID EXPUNGE 1");
    const lines = await two.ok(`SELECT ${folder} (QRESYNC (${validity} ${modseq}))`);
    assert.ok(lines.includes("* VANISHED (EARLIER) 1"), lines.join("\n"));
    assert.deepEqual(
      lines.filter((line) => /FETCH/.test(line)).map((line) => /UID (\d+)/.exec(line)?.[1]),
      ["3"],
    );
  });

  it("moves and copies with the new UIDs told, in no folder twice and in none never", async () => {
    await one.ok(`CREATE ${folder}/sub`);
    const moved = (await one.ok(`UID MOVE 2 ${folder}/sub`)).join("\n");
    assert.match(moved, /\[COPYUID \d+ 2 1\]/);
    const copied = (await one.command(`UID COPY 3 ${folder}/sub`)).join("\n");
    assert.match(copied, /\[COPYUID \d+ 3 2\]/);
    assert.deepEqual(await one.ok("UID SEARCH ALL"), ["* SEARCH 1 3"]);
    assert.match((await one.ok(`STATUS ${folder}/sub (MESSAGES)`)).join(), /MESSAGES 2/);
    await one.ok(`RENAME ${folder}/sub ${folder}/new`);
    assert.match((await one.ok(`LIST "" "${folder}/%"`)).join(), new RegExp(`${folder}/new$`));
    await one.ok(`DELETE ${folder}/new`);
  });

  it("loses no message that two move at once", async () => {
    await one.ok(`CREATE ${folder}/sub`);
    for (let round = 0; round < 10; round += 1) await append(`r${round}`);
    await Promise.all([one.ok("NOOP"), two.ok("NOOP")]);
    await Promise.all([one.command(`UID MOVE 1:* ${folder}/sub`), two.command(`UID MOVE 1:* ${folder}/sub`)]);
    assert.match((await one.ok(`STATUS ${folder} (MESSAGES)`)).join(), /MESSAGES 0/);
    await one.ok(`SELECT ${folder}/sub`);
    const lines = await one.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    // Dovecot copies, then expunges: both may have their copy.
    assert.equal(new Set(lines.map((line) => /Subject: (\S+)/.exec(line)?.[1])).size, 13);
  });

  it("searches, sorts and threads", async () => {
    await append("re-a", "References: <a@x>\r\nFrom: zoe@x\r\n", "\\Seen");
    await one.ok("NOOP");
    for (const [command, answer] of [
      ["UID SEARCH SUBJECT b", "* SEARCH 2"],
      ['UID SEARCH BODY "body of c"', "* SEARCH 3"],
      ["UID SEARCH OR SEEN HEADER Message-ID b@x", "* SEARCH 2 4"],
      ["UID SORT (REVERSE SUBJECT) US-ASCII UNSEEN", "* SORT 3 2 1"],
      ["UID THREAD REFERENCES US-ASCII ALL", "* THREAD (1 4)(2)(3)"],
    ] as const)
      assert.deepEqual(await one.ok(command), [answer], command);
    assert.match((await one.ok("UID SEARCH RETURN (MIN MAX COUNT) ALL")).join(), /UID MIN 1 MAX 4 COUNT 4$/);
  });

  it("has one namespace, the usual folders by their use, and the quota", async () => {
    assert.deepEqual(await one.ok("NAMESPACE"), ['* NAMESPACE (("" "/")) NIL NIL']);
    const uses = (await one.ok('LIST (SPECIAL-USE) "" "*"')).map(
      (line) => /\\(Archive|Drafts|Junk|Sent|Trash)\b/.exec(line)?.[1],
    );
    assert.deepEqual(uses.toSorted(), ["Archive", "Drafts", "Junk", "Sent", "Trash"]);
    const quota = (await one.ok("GETQUOTAROOT INBOX")).join();
    assert.match(quota, /\* QUOTA box \(STORAGE \d+ 48829 MESSAGE \d+ 12307\)$/);
  });

  it("goes on compressed (COMPRESS=DEFLATE)", async () => {
    const session = await openSession(site);
    await session.ok("COMPRESS DEFLATE");
    session.through(createDeflateRaw({ flush: 2 }), createInflateRaw());
    await session.ok("SELECT INBOX");
    assert.match((await session.ok(`STATUS ${folder} (MESSAGES)`)).join(), /MESSAGES 3/);
    session.close();
  });

  it("keeps every message and flag of eight clients that work at once", async () => {
    await one.ok(`CREATE ${folder}/busy`);
    const work = async (client: number) => {
      const session = await openSession(site);
      await session.ok(`SELECT ${folder}/busy`);
      for (let round = 0; round < 8; round += 1) {
        const message = `Subject: ${client}-${round}\r\n\r\n${"x".repeat(client * 100)}\r\n`;
        await session.ok(`APPEND ${folder}/busy {${message.length}+}\r\n${message}`);
        await session.ok("NOOP");
        const [found = ""] = await session.ok(`UID SEARCH SUBJECT "${client}-${round}"`);
        const uid = /\d+/.exec(found)?.[0];
        await session.ok(`UID STORE ${uid} +FLAGS (\\Seen k${client})`);
        if (round % 2 === 1) {
          await session.ok(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`);
          await session.ok(`UID EXPUNGE ${uid}`);
        }
      }
      session.close();
    };
    await Promise.all(Array.from({ length: 8 }, (_, client) => work(client)));
    await one.ok(`SELECT ${folder}/busy`);
    const lines = await one.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    const state = lines
      .map((line) => [/Subject: (\S+)/.exec(line)?.[1], /\bk\d/.exec(line)?.[0]].join())
      .toSorted();
    const wanted = Array.from({ length: 8 }, (_, client) =>
      [0, 2, 4, 6].map((round) => `${client}-${round},k${client}`),
    );
    assert.deepEqual(state, wanted.flat().toSorted());
  });

  it("leaves no error in the log of box or access", async () => {
    for (const handle of [site.box, site.access])
      assert.equal((await handle.logs()).match(/(Error|Panic|Fatal|corrupt).*/)?.[0], undefined);
  });
});
