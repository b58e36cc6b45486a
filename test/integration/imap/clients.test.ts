/** Mail programs that nobody here wrote read and change a mailbox through `access`, as people do. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Handle, openLab } from "../../support/docker.ts";
import { HOST, openReading, PASSWORD, type ReadingSite } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

const FOLDER = "Projets/Été & hiver";
const LONG = "0123456789 ".repeat(80);

/** Each is awkward in its own way. CRLF throughout. */
const ODD: readonly Buffer[] = [
  "Subject: one\r\n\r\nplain\r\n",
  "Subject: two\r\n\r\n.\r\n..\r\n.dotted\r\n\r\n\r\n",
  `Subject: three\r\n\r\n${LONG}\r\n \r\n\t\r\nFrom the beginning of a line\r\n>From too\r\n`,
  Buffer.concat([Buffer.from("Subject: four\r\n\r\n"), Buffer.from([0xe9, 0xff, 0x80, 0x0d, 0x0a])]),
  "Subject: =?utf-8?Q?cinq?=\r\nX-Raw: \u00e9t\u00e9\r\n\r\nno end of line at the end",
].map((message) => Buffer.from(message));

const unixLines = (message: Buffer): Buffer =>
  Buffer.from(message.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
/** Without the line by which mbsync knows again what it carried. */
const withoutMark = (message: Buffer): Buffer =>
  Buffer.from(message.toString("latin1").replace(/^X-TUID: .*\r?\n/m, ""), "latin1");
const sorted = (messages: readonly Buffer[]): string[] =>
  messages.map((message) => message.toString("latin1")).toSorted();

describe("mail programs at access", () => {
  let site: ReadingSite;
  let reader: Handle;

  /** Runs a shell line as a person would, and answers what it wrote. */
  const run = async (line: string, input?: string | Buffer): Promise<string> => {
    const { stdout, stderr, exitCode } = await reader.exec(
      ["bash", "-o", "pipefail", "-c", line],
      input === undefined ? {} : { input },
    );
    assert.equal(exitCode, 0, `${line}\n${stdout}\n${stderr}`);
    return stdout;
  };
  const write = (file: string, text: string | Buffer) =>
    run(`mkdir -p "$(dirname ${file})" && cat >${file}`, text);
  /** The files of a folder's messages, byte by byte. */
  const files = async (maildir: string): Promise<Buffer[]> => {
    const listed = await run(
      `cd "${maildir}" && for f in cur/* new/*; do test ! -f "$f" || base64 -w0 "$f"; echo; done`,
    );
    return listed.split("\n").flatMap((line) => (line === "" ? [] : [Buffer.from(line, "base64")]));
  };
  const inFolder = async <T>(
    folder: string,
    work: (imap: Awaited<ReturnType<ReadingSite["imap"]>>) => Promise<T>,
  ): Promise<T> => {
    const imap = await site.imap();
    const lock = await imap.getMailboxLock(folder);
    try {
      return await work(imap);
    } finally {
      lock.release();
      await imap.logout();
    }
  };
  const onServer = (folder: string) =>
    inFolder(folder, async (imap) => {
      const all = await imap.fetchAll("1:*", { source: true, flags: true });
      return all.map(({ source, flags }) => ({
        source: Buffer.from(source ?? ""),
        flags: [...(flags ?? [])].filter((flag) => flag !== "\\Recent").toSorted(),
      }));
    });
  const flagsOf = async (folder: string, subject: string) =>
    (await onServer(folder)).find(({ source }) => source.includes(`Subject: ${subject}\r\n`))?.flags;

  before(async () => {
    site = await openReading(lab);
    reader = await site.reader();
    const imap = await site.imap();
    await imap.mailboxCreate(FOLDER);
    for (const folder of ["INBOX", FOLDER])
      for (const message of ODD) await imap.append(folder, message, ["\\Seen"]);
    await imap.logout();
    await write("password", PASSWORD);
  });

  for (const [name, port, user] of [
    ["a uid over TLS", "993", "alice"],
    ["a further address over TLS", "993", "Alice.B@Semail.Test"],
    ["a uid by STARTTLS", "143", "alice"],
    ["an address by STARTTLS", "143", "alice@semail.test"],
  ] as const) {
    it(`let imaplib in by ${name}, and give it every byte`, async () => {
      const { stdout, stderr, exitCode } = await reader.exec(["python-imap", port, user, "INBOX"], {
        input: `${PASSWORD}\n`,
      });
      assert.equal(exitCode, 0, stderr);
      assert.equal(stdout.match(/^Subject: /gm)?.length, ODD.length);
      assert.deepEqual(
        [...stdout.matchAll(/^(\d+)\nSubject/gm)].map(([, size]) => Number(size)),
        ODD.map(({ length }) => length),
      );
    });
  }

  it("take what imaplib appends, byte by byte", async () => {
    const message = Buffer.from("Subject: appended\r\n\r\n.\r\nh\u00e9\r\n");
    await reader.exec(["python-imap", "143", "alice", "Drafts"], {
      input: Buffer.concat([Buffer.from(`${PASSWORD}\n`), message]),
    });
    assert.deepEqual(await onServer("Drafts"), [{ source: message, flags: ["\\Seen"] }]);
  });

  for (const [name, url] of [
    ["over TLS", `imaps://${HOST}/INBOX;MAILINDEX=`],
    ["by STARTTLS", `imap://${HOST}/INBOX;MAILINDEX=`],
  ] as const) {
    it(`give curl every byte ${name}`, async () => {
      await write("curlrc", `user = "alice:${PASSWORD}"\ncacert = ca.pem\nssl-reqd\nsilent\nshow-error\n`);
      const got: Buffer[] = [];
      for (let index = 1; index <= ODD.length; index += 1)
        got.push(Buffer.from(await run(`curl -K curlrc "${url}${index}" | base64 -w0`), "base64"));
      assert.deepEqual(got, ODD);
    });
  }

  /** A line of POP3 always has an end (RFC 1939 section 3). */
  const byPop = ODD.map((message) =>
    message.toString("latin1").endsWith("\r\n") ? message : Buffer.concat([message, Buffer.from("\r\n")]),
  );

  it("give curl every byte by POP3", async () => {
    for (const [index, message] of byPop.entries()) {
      const got = await run(`curl -K curlrc "pop3s://${HOST}/${index + 1}" | base64 -w0`);
      assert.deepEqual(Buffer.from(got, "base64"), message);
    }
  });

  it("let poplib fetch every byte and delete what it has, and let nobody in with another password", async () => {
    // Of its own address: a wrong password counts against it.
    const popper = await site.reader();
    await site.send("Subject: to be fetched\r\n\r\nhello");
    const fetch = (password: string, ...more: string[]) =>
      popper.exec(["python-pop", "Alice.B@Semail.Test", ...more], { input: `${password}\n` });
    const first = await fetch(PASSWORD, String(ODD.length + 1));
    assert.equal(first.exitCode, 0, first.stderr);
    assert.deepEqual(
      [...first.stdout.matchAll(/^(\d+)\nSubject: (one|two|three|four)/gm)].map(([, size]) => Number(size)),
      byPop.slice(0, 4).map(({ length }) => length),
    );
    assert.match(first.stdout, /^Subject: to be fetched/m);
    assert.equal((await onServer("INBOX")).length, ODD.length);
    const wrong = await fetch("no password of mine");
    assert.match(wrong.stderr, /AUTH\] Authentication failed/);
  });

  it("have mbsync carry mail, folders and flags both ways", async () => {
    await write(
      "mbsyncrc",
      [
        `IMAPAccount access\nHost ${HOST}\nUser alice@semail.test\nPassCmd "cat password"`,
        "TLSType IMAPS\nCertificateFile ca.pem\n",
        "IMAPStore far\nAccount access\n",
        "MaildirStore near\nPath mbsync/\nInbox mbsync/INBOX\nSubFolders Verbatim\n",
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
      ].join("\n"),
    );
    await run("mkdir -p mbsync && mbsync -c mbsyncrc -a");
    const near = async (folder = "mbsync/INBOX") => sorted((await files(folder)).map(withoutMark));
    assert.deepEqual(await near(), sorted(ODD.map(unixLines)));
    const folder = `mbsync/${FOLDER}`;
    assert.deepEqual(await near(folder), sorted(ODD.map(unixLines)));

    await run(`cd mbsync/INBOX/cur && f=$(grep -l "^Subject: one" *) && mv "$f" "\${f}F"`);
    await run(`cd "${folder}" && rm "$(grep -l "^Subject: two" cur/*)"`);
    await write("mbsync/INBOX/new/1.local", "Subject: made here\n\nhello\n");
    await site.send("Subject: from afar\r\n\r\nhello");
    await run("mbsync -c mbsyncrc -a");
    assert.deepEqual(await flagsOf("INBOX", "one"), ["\\Flagged", "\\Seen"]);
    assert.equal(await flagsOf(FOLDER, "two"), undefined);
    const sources = (await onServer("INBOX")).map(({ source }) => withoutMark(source));
    assert.ok(sources.some((source) => source.equals(Buffer.from("Subject: made here\r\n\r\nhello\r\n"))));
    assert.ok((await near()).some((text) => text.includes("Subject: from afar\n")));
    assert.deepEqual(await near(), sorted(sources.map(unixLines)));
  });

  it("have offlineimap carry mail, folders and flags both ways", async () => {
    await write(
      ".offlineimaprc",
      [
        "[general]\naccounts = a\nui = basic\nmetadata = offline-state",
        "[Account a]\nlocalrepository = near\nremoterepository = far",
        "[Repository near]\ntype = Maildir\nlocalfolders = /home/reader/offline",
        `[Repository far]\ntype = IMAP\nremotehost = ${HOST}\nremoteuser = alice\nremotepassfile = /home/reader/password`,
        "ssl = yes\nsslcacertfile = /home/reader/ca.pem\n",
      ].join("\n"),
    );
    await run("offlineimap -o 2>&1");
    const sources = (await onServer("INBOX")).map(({ source }) => source);
    assert.deepEqual(sorted(await files("offline/INBOX")), sorted(sources.map(unixLines)));
    await run(`cd offline/INBOX/cur && f=$(grep -l "^Subject: three" *) && mv "$f" "\${f/%S/RS}"`);
    await site.send("Subject: once more\r\n\r\nhello");
    await run("offlineimap -o 2>&1");
    assert.deepEqual(await flagsOf("INBOX", "three"), ["\\Answered", "\\Seen"]);
    const folders = await run("ls offline");
    assert.ok(folders.includes("Projets.&AMk-t&AOk- &- hiver"), folders);
    assert.ok(sorted(await files("offline/INBOX")).some((text) => text.includes("Subject: once more\n")));
  });

  it("have neomutt file a message in a folder with accents, and flag another", async () => {
    await write(
      "muttrc",
      [
        `set imap_user = alice\nset imap_pass = "${PASSWORD}"\nset certificate_file = ca.pem\nset ssl_ca_certificates_file = ca.pem`,
        `set folder = imaps://${HOST}/\nset spool_file = "imaps://${HOST}/INBOX"`,
        "set confirm_append = no\nset delete = yes\nset quit = yes\nset mail_check_stats = no\nset move = no\nset wait_key = no",
        // In a prompt it would look through mailboxes.
        "bind editor <space> noop",
      ].join("\n"),
    );
    const push = [
      "<search>~s one<enter><flag-message>",
      `<search>~s three<enter><save-message>=${FOLDER.replaceAll(" ", "<space>")}/hier<enter>`,
      "<sync-mailbox><quit>",
    ].join("");
    const imap = await site.imap();
    await imap.mailboxCreate(`${FOLDER}/hier`);
    await imap.logout();
    await write("push", `push "${push}"\n`);
    await run(`timeout 20 script -qec "neomutt -n -F muttrc -e 'source push'" /dev/null </dev/null`);
    assert.deepEqual(
      sorted((await onServer(`${FOLDER}/hier`)).map(({ source }) => source)),
      sorted(ODD.slice(2, 3)),
    );
    assert.equal(await flagsOf("INBOX", "three"), undefined);
  });

  it("make who guesses passwords wait, and nobody else", async () => {
    // Each from an address of their own: what one does wrong is no matter of the others.
    const [guesser, mistyper] = [await site.reader(), await site.reader()];
    const wrong = (handle: Handle, password: string) =>
      handle.exec(["python-imap", "993", "alice"], { input: `${password}\n` });
    // Each time another password, so that the wait grows (to 15 s): a program that repeats an old one waits 4 s each
    // time, too near to the 2 s of who mistyped once for a busy machine to tell which of them ends first.
    for (const guess of ["1234", "alice", "secret"]) {
      assert.notEqual((await wrong(guesser, guess)).exitCode, 0);
    }
    const order: string[] = [];
    await Promise.all([
      wrong(guesser, "letmein").then(() => order.push("who guessed before")),
      wrong(mistyper, "a slip").then(() => order.push("who mistyped once")),
      reader.exec(["python-imap", "143", "alice"], { input: `${PASSWORD}\n` }).then(({ exitCode }) => {
        assert.equal(exitCode, 0);
        order.push("who knows the password");
      }),
    ]);
    // The two that hardly wait may end in either order on a busy machine.
    assert.equal(order.length, 3);
    assert.equal(order.at(-1), "who guessed before");
  });
});
