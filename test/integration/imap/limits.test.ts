/** What a person can make their box write, over every protocol that it speaks: bounded, and mail goes on at the bound. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openLab } from "../../support/docker.ts";
import { type ManageSieve, openManageSieve } from "../../support/manage-sieve.ts";
import { deliver } from "../images/dialogue.ts";
import { lmtpPort } from "../images/images.ts";
import { openSession, type Session } from "./session.ts";
import { HOST, openReading, PASSWORD, type ReadingSite } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

const QUOTA = 3_000_000;
/** As many as the quota has blocks, and a hundred. */
const MESSAGES = Math.floor(QUOTA / 4_096) + 100;
const FOLDERS = 12;
const TINY = "Subject: tiny\r\n\r\n\r\n";

describe("what a person can make their box write", () => {
  let site: ReadingSite;
  let session: Session;
  let sieve: ManageSieve;

  const inBox = async (script: string) => (await site.box.exec(["bash", "-c", script])).stdout.trim();
  const delivered = async (subject: string, from = "sender@elsewhere.test") => {
    const message = `From: ${from}\r\nTo: alice@semail.test\r\nSubject: ${subject}\r\n\r\nHello`;
    const to = ["alice@semail.test"];
    const { rcpt, data } = await deliver(await lmtpPort(site.box), { from, to, message });
    return data[0] ?? rcpt[0] ?? "";
  };
  const literal = (text: string) => `{${text.length}+}\r\n${text}`;
  const appending = (count: number) =>
    session.command(`APPEND INBOX${` ${literal(TINY)}`.repeat(count)}`).then((lines) => lines.at(-1) ?? "");
  const answer = async (text: string) => (await session.command(text)).at(-1) ?? "";
  const empty = async () => {
    await session.ok("SELECT INBOX");
    await session.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    await session.ok("EXPUNGE");
  };

  before(async () => {
    const env = { BOX_QUOTA_BYTES: String(QUOTA), BOX_FOLDERS: String(FOLDERS) };
    site = await openReading(lab, { box: { env } });
    session = await openSession(site);
    sieve = await openManageSieve({
      ...{ port: await site.access.port("4190/tcp"), ca: site.ca, servername: HOST },
      ...{ user: "alice", pass: PASSWORD },
    });
  });
  after(() => {
    session?.close();
    sieve?.close();
  });

  it("is a number of messages, however small they are: the next is refused for now, and one warning says why", async () => {
    // To 94 % and beyond 95 %, with room for the warning.
    assert.match(await appending(MESSAGES - 52), /^OK/);
    assert.match(await appending(32), /^OK/);
    const warned = async () => (await session.ok('SEARCH SUBJECT "95 % full"')).join("\n");
    await session.ok("SELECT INBOX");
    for (const deadline = Date.now() + 20_000; !/SEARCH \d/.test(await warned()); await sleep(100))
      assert.ok(Date.now() < deadline, "no warning");
    const [, number = ""] = /SEARCH (\d+)/.exec(await warned()) ?? [];
    const text = (await session.ok(`FETCH ${number} BODY.PEEK[TEXT]`)).join("\n");
    assert.ok(text.includes(`95 % of the ${MESSAGES} messages that it may`), text);
    assert.match(await appending(20), /^NO \[OVERQUOTA\]/);
    assert.match(await appending(19), /^OK/);
    assert.match(await delivered("one more"), /^452 4\.2\.2 /);
    await empty();
    assert.match(await delivered("room again"), /^250 /);
  });

  it("is a number of folders, and mail goes on", async () => {
    const made: string[] = [];
    for (let number = 0; number <= FOLDERS; number += 1)
      made.push(await answer(`CREATE deep/folder${number}`));
    assert.match(made[0] ?? "", /^OK/);
    assert.match(made.at(-1) ?? "", /^NO \[LIMIT\]/);
    const list = await session.ok('LIST "" deep/*');
    assert.equal(list.length, made.filter((said) => said.startsWith("OK")).length, list.join("\n"));
    assert.ok(list.length <= FOLDERS, list.join("\n"));
    assert.match(await answer("RENAME deep/folder0 elsewhere/folder0"), /^(OK|NO)/);
    assert.match(await delivered("with all folders"), /^250 /);
  });

  it("is a number of scripts, and a size of all of them", async () => {
    const small: string[] = [];
    for (let number = 0; number <= 100; number += 1) small.push(await sieve.put(`s${number}`, "keep;"));
    assert.match(small.at(-2) ?? "", /^OK/);
    assert.match(small.at(-1) ?? "", /^NO \(QUOTA\/MAXSCRIPTS\)/);
    const large = `keep; # ${"x".repeat(1_000_000)}\n`;
    const sizes: string[] = [];
    for (let number = 0; number < 5; number += 1) sizes.push(await sieve.put(`s${number}`, large));
    assert.match(sizes[0] ?? "", /^OK/);
    assert.match(sizes.at(-1) ?? "", /^NO \(QUOTA\/MAXSTORAGE\)/);
  });

  it("is one message up to a size, told before it is sent", async () => {
    assert.match(await answer(`APPEND INBOX {${101 * 2 ** 20}}`), /^NO \[(LIMIT|OVERQUOTA|TOOBIG)\]/);
  });

  it("is no file beyond a size, as one that is appended piece by piece: nothing of it stays", async () => {
    // The limit for all is 256 MiB; the test sets a smaller one for the process that it speaks with.
    assert.match(await inBox("cat /proc/1/limits"), /^Max file size +268435456 +268435456 /m);
    await inBox(
      "for p in $(grep -lsx imap /proc/[0-9]*/comm | cut -d/ -f3); do prlimit --pid $p --fsize=2000000; done",
    );
    const pieces = ` TEXT ${literal("x".repeat(600_000))}`.repeat(4);
    // Dovecot 2.4.1 ends over it, after it has told its log and taken the file away.
    const said = await answer(`APPEND INBOX CATENATE (TEXT ${literal(TINY)}${pieces})`).catch(String);
    assert.match(said, /^NO |connection was closed/);
    // By another process than the one that ended.
    const logged = async () => /Saving mail: .*File too large/.test(await site.box.logs());
    for (const deadline = Date.now() + 20_000; !(await logged()); await sleep(100))
      assert.ok(Date.now() < deadline, await site.box.logs());
    assert.equal(await inBox("ls /srv/mail/Maildir/tmp"), "");
    session.close();
    session = await openSession(site);
    assert.match(await answer("NOOP"), /^OK/);
  });

  it("is what it remembers of whom a script answered: a flood is delivered, and not answered to the end", async () => {
    await sieve.command('DELETESCRIPT "s9"');
    await sieve.run('require "vacation"; vacation :days 2 :subject "Away" "Back on Monday.";');
    const replies = () => inBox("ls /srv/mail/replies/new 2>/dev/null | wc -l");
    const remembered = () => inBox("stat -c %s /srv/mail/.dovecot.lda-dupes");
    // Dovecot's own file, as after 60,000 senders.
    const fill = (count: number) =>
      inBox(
        `perl -e 'binmode STDOUT; print pack("CCCC",2,0,0,0); for $n (1..${count}) { print pack("VVV",time+86400,16,5), sprintf("%016d",$n), "alice" }' >/srv/mail/.dovecot.lda-dupes`,
      );
    await fill(1_000);
    assert.match(await delivered("few before", "one@elsewhere.test"), /^250 /);
    assert.equal(await replies(), "1");
    assert.ok(Number(await remembered()) > 33_000, await remembered());
    await fill(70_000);
    const before = await remembered();
    assert.match(await delivered("many before", "two@elsewhere.test"), /^250 /);
    assert.equal(await replies(), "1");
    assert.equal(await remembered(), before);
  });

  it("is not what was left half written: it goes with the next start", async () => {
    await inBox("touch /srv/mail/Maildir/tmp/half /srv/mail/Maildir/.Junk/tmp/half");
    await site.box.stop();
    await site.box.start();
    await site.box.waitHealthy();
    assert.equal(await inBox("find /srv/mail/Maildir -name half"), "");
  });
});
