import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { ImapFlow } from "imapflow";
import { frontIdentity } from "../../../components/front-identity.ts";
import { connect } from "../../../mailserver/net/client.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { type Handle, openLab } from "../../support/docker.ts";
import { deliver, openDialogue } from "./dialogue.ts";
import { boxImage, boxPassword, handOver, healthy, lmtpPort, MOUNT, runImage, sha256 } from "./images.ts";

const lab = openLab();
after(() => lab.cleanup());

/** By which it enters the boxes of its own stack. */
const { certificate: cert, key } = await frontIdentity("0f".repeat(32), "smtp-in");

const message = (subject: string, body = "Hello") =>
  `From: sender@elsewhere.test\r\nTo: alice@semail.test\r\nSubject: ${subject}\r\n\r\n${body}`;

describe("box", () => {
  let volume: string;
  let box: Handle;

  const start = async () => {
    box = await healthy(lab, "box", { volumes: { "/srv/mail": volume } });
  };
  const send = async (to: string[], text: string) => deliver(await lmtpPort(box), { to, message: text });
  const withImap = async <T>(auth: { user: string; pass: string }, work: (imap: ImapFlow) => Promise<T>) => {
    const imap = new ImapFlow({
      host: "127.0.0.1",
      port: await box.port("143/tcp"),
      secure: false,
      doSTARTTLS: false,
      auth,
      logger: false,
    });
    await imap.connect();
    try {
      return await work(imap);
    } finally {
      await imap.logout();
    }
  };
  const alice = { user: "alice", pass: boxPassword("alice") };
  /** Sources of the messages in a folder. */
  const messages = (folder = "INBOX") =>
    withImap(alice, async (imap) => {
      const lock = await imap.getMailboxLock(folder);
      try {
        if (imap.mailbox === false || imap.mailbox.exists === 0) return [];
        return (await imap.fetchAll("1:*", { source: true })).map(({ source }) => String(source));
      } finally {
        lock.release();
      }
    });

  before(async () => {
    volume = await lab.volume();
    await start();
  });

  it("takes mail by LMTP for any address of its person and shows it by IMAP", async () => {
    const { rcpt, data } = await send(["info+news@semail.test"], message("one"));
    assert.match(rcpt[0] ?? "", /^250 2\.1\.5 /);
    assert.match(data[0] ?? "", /^250 2\.0\.0 /);
    const [mail] = await messages();
    assert.match(mail ?? "", /^Delivered-To: info\+news@semail\.test\r$/m);
    assert.match(mail ?? "", /^Subject: one\r$/m);
  });

  it("takes mail from an address in UTF-8, and shows it", async () => {
    const line = await connect({
      host: "127.0.0.1",
      port: await lmtpPort(box),
      session: { protocol: "lmtp", hostname: "mx.semail.test", tls: "never" },
    });
    const body = Buffer.from(
      "From: J\u00fcrgen <j\u00fcrgen@ex\u00e4mple.test>\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nHallo\r\n",
    );
    const [outcome] = await line.send(
      {
        from: makeAddress("j\u00fcrgen", "ex\u00e4mple.test"),
        recipients: [makeAddress("alice", "semail.test")],
        ...{ size: body.length, eightBit: true, smtputf8: true },
      },
      body,
    );
    await line.close();
    assert.equal(outcome?.kind, "delivered");
    const mail = (await messages()).find((text) => text.includes("Subject: Gr\u00fc\u00dfe")) ?? "";
    assert.match(mail, /^Return-Path: <j\u00fcrgen@ex\u00e4mple\.test>\r$/m);
  });

  for (const [who, knock] of [
    ["nobody", {}],
    ["a service of another stack", { cert, key }],
  ] as const) {
    it(`says no word of LMTP to ${who}`, async () => {
      const port = await box.port("24/tcp");
      const socket = tlsConnect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...knock });
      const heard: Buffer[] = [];
      socket.on("data", (bytes) => heard.push(bytes));
      const [error] = await once(socket, "error");
      assert.match(String(error), /alert/);
      assert.deepEqual(heard, []);
    });
  }

  it("ends with the door of LMTP, so that the engine starts it again", async () => {
    await box.exec(["bash", "-c", "kill -9 $(grep -sl stunnel4 /proc/[0-9]*/comm | cut -d/ -f3)"]);
    await box.wait();
    await box.start();
    await box.waitHealthy();
    assert.equal((await messages()).length, 2);
  });

  it("answers each of two recipients", async () => {
    const { data } = await send(["alice@semail.test", "info@semail.test"], message("two"));
    assert.equal(data.length, 2);
    for (const reply of data) assert.match(reply, /^250 2\.0\.0 /);
  });

  it("files what smtp-in marked into Junk, and nothing else", async () => {
    const before = (await messages()).length;
    await send(["alice@semail.test"], `X-Semail-Junk: yes\r\n${message("marked")}`);
    await send(["alice@semail.test"], `X-Semail-Junk: no\r\n${message("not marked")}`);
    const junk = await messages("Junk");
    assert.equal(junk.length, 1);
    assert.match(junk[0] ?? "", /^Subject: marked\r$/m);
    assert.equal((await messages()).length, before + 1);
  });

  it("has the usual folders, subscribed", async () => {
    const folders = await withImap(alice, (imap) => imap.list());
    const uses = folders
      .filter(({ subscribed }) => subscribed)
      .map(({ path, specialUse }) => [path, specialUse]);
    assert.deepEqual(Object.fromEntries(uses), {
      Drafts: "\\Drafts",
      Sent: "\\Sent",
      Junk: "\\Junk",
      Trash: "\\Trash",
      Archive: "\\Archive",
      INBOX: "\\Inbox",
    });
  });

  it("has folders with accents made by clients that know UTF-8 names, and by those that don't", async () => {
    await withImap(alice, async (imap) => {
      assert.equal(imap.capabilities.has("UTF8=ACCEPT"), false);
      await imap.mailboxCreate("\u00c9t\u00e9");
      assert.ok((await imap.list()).some(({ path }) => path === "\u00c9t\u00e9"));
      await imap.mailboxDelete("\u00c9t\u00e9");
    });
  });

  it("lets in neither a wrong secret, nor the secret's digest, nor another user, and says that it may pass", async () => {
    const logins = [
      { user: "alice", pass: "wrong" },
      { user: "alice", pass: sha256(boxPassword("alice")) },
      { user: "bob", pass: boxPassword("alice") },
    ];
    // At once: each failure makes the next one from the same address wait longer.
    const results = await Promise.allSettled(logins.map((auth) => withImap(auth, async () => {})));
    for (const result of results) {
      assert.equal(result.status, "rejected");
      // The front has seen the person's password: what it comes with is of another box, or from before.
      assert.equal(result.reason.serverResponseCode, "UNAVAILABLE");
    }
  });

  it("is over quota: 452 4.2.2, and nothing of it is kept", async () => {
    const count = (await messages()).length;
    const { data } = await send(["alice@semail.test"], message("big", "0123456789\r\n".repeat(10_000)));
    assert.match(data[0] ?? "", /^452 4\.2\.2 /);
    assert.equal((await messages()).length, count);
  });

  it("goes on with our client after it refused a message for want of room", async () => {
    const line = await connect({
      host: "127.0.0.1",
      port: await lmtpPort(box),
      session: { protocol: "lmtp", hostname: "mx.semail.test", tls: "never" },
    });
    const send = async (bytes: number) => {
      const body = Buffer.from(`${message("fills")}${"0123456789\r\n".repeat(bytes / 12)}\r\n`);
      const to = makeAddress("alice", "semail.test");
      const envelope = { from: null, recipients: [to], size: body.length, eightBit: false, smtputf8: false };
      const [outcome] = await line.send(envelope, body);
      return `${outcome?.kind} ${outcome?.reply.code}`;
    };
    const count = (await messages()).length;
    const said = [await send(12)];
    for (let sent = 0; sent < 5; sent += 1) said.push(await send(60_000));
    said.push(await send(12));
    await line.close();
    assert.deepEqual(
      [said[0], said.at(-2), said.at(-1)],
      ["delivered 250", "temporary 452", "delivered 250"],
    );
    const taken = said.filter((answer) => answer === "delivered 250").length;
    assert.equal((await messages()).length, count + taken);
    await withImap(alice, async (imap) => {
      const lock = await imap.getMailboxLock("INBOX");
      await imap.messageDelete({ subject: "fills" });
      lock.release();
    });
  });

  it("warns its person at 80 and at 95 percent of the quota, once each, even where no mail fits any more", async () => {
    const warnings = async () =>
      (await messages())
        .map((text) => /^Subject: Your mailbox is (\d+) % full/m.exec(text)?.[1])
        .filter((share) => share !== undefined);
    const fill = (bytes: number) =>
      send(["alice@semail.test"], message("fills", "0123456789\r\n".repeat(bytes / 12)));
    const warned = async (count: number) => {
      for (const deadline = Date.now() + 20_000; (await warnings()).length < count; await setTimeout(100))
        assert.ok(Date.now() < deadline, `${count} warnings`);
    };
    await fill(84_000);
    await warned(1);
    await fill(1_200);
    for (let sent = 0; sent < 12; sent += 1) await fill(1_200);
    await warned(2);
    assert.deepEqual(await warnings(), ["80", "95"]);
    const text = (await messages()).find((each) => each.includes("95 % full")) ?? "";
    assert.match(text, /^Auto-Submitted: auto-generated\r$/m);
    assert.match(text, /holds 95 % of the 100 KB that it may/);
    await withImap(alice, async (imap) => {
      const lock = await imap.getMailboxLock("INBOX");
      await imap.messageDelete({ or: [{ subject: "fills" }, { subject: "Your mailbox" }] });
      lock.release();
    });
  });

  it("files by the person's Sieve script, and refuses one that would notify somebody", async () => {
    const sieve = await openDialogue(await box.port("4190/tcp"));
    const command = async (text: string) => {
      sieve.send(`${text}\r\n`);
      return (await sieve.until(/^(OK|NO|BYE)/)).at(-1) ?? "";
    };
    const put = (name: string, script: string) =>
      command(`PUTSCRIPT "${name}" {${Buffer.byteLength(script)}+}\r\n${script}`);
    await sieve.until(/^OK/);
    const login = Buffer.from(`\0alice\0${boxPassword("alice")}`).toString("base64");
    assert.match(await command(`AUTHENTICATE "PLAIN" "${login}"`), /^OK/);
    assert.match(await put("away", 'require "enotify"; notify "mailto:a@elsewhere.test";'), /^NO/);
    const script =
      'require ["envelope", "fileinto"]; if envelope "to" "news@semail.test" { fileinto "Archive"; }';
    assert.match(await put("main", script), /^OK/);
    assert.match(await command('SETACTIVE "main"'), /^OK/);
    sieve.close();
    await send(["news@semail.test"], message("for the archive"));
    const [filed] = await messages("Archive");
    assert.match(filed ?? "", /^Subject: for the archive\r$/m);
  });

  it("keeps mail, folders and script when the container is replaced", async () => {
    const kept = await messages();
    await box.stop();
    await box.remove();
    await start();
    assert.deepEqual(await messages(), kept);
    assert.equal((await messages("Archive")).length, 1);
  });

  it("keeps what was answered 250 when it is killed", async () => {
    const { data } = await send(["alice@semail.test"], message("just before the kill"));
    assert.match(data[0] ?? "", /^250 /);
    await lab.docker.getContainer(box.id).kill();
    await box.start();
    await box.waitHealthy();
    assert.match((await messages()).at(-1) ?? "", /^Subject: just before the kill\r$/m);
  });

  it("goes on under another user id once its mail was given to it, and refuses to run before", async () => {
    const kept = await messages();
    const other = 1_900_000_001;
    await box.stop();
    const early = await runImage(lab, "box", { volumes: { "/srv/mail": volume }, user: other });
    assert.equal(await early.wait(), 64);
    assert.match(await early.logs(), /hand-over 1900000001/);
    // As an update leaves it that was killed in the middle: some have changed hands, the top not yet.
    const begun = await lab.run({
      ...{ image: await boxImage(lab), user: 0, volumes: { "/srv/mail": volume }, entrypoint: ["sh", "-c"] },
      cmd: [`cd /srv/mail/Maildir && chown ${other}:${other} . dovecot* new`],
    });
    assert.equal(await begun.wait(), 0);
    for (const _ of ["the rest", "nothing"]) assert.equal(await handOver(lab, volume, other), 0);
    box = await healthy(lab, "box", { volumes: { "/srv/mail": volume }, user: other });
    assert.deepEqual(await messages(), kept);
    await send(["alice@semail.test"], message("under another id"));
    assert.match((await messages()).at(-1) ?? "", /^Subject: under another id\r$/m);
    const { stdout } = await box.exec([
      "find",
      "/srv/mail",
      "!",
      "-user",
      String(other),
      "-o",
      "!",
      "-group",
      String(other),
    ]);
    assert.equal(stdout, "");
  });

  it("takes ten deliveries at once", async () => {
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, n) => send(["alice@semail.test"], message(`at once ${n}`))),
    );
    const refused = replies.flatMap(({ data }) => data).filter((line) => !line.startsWith("250 "));
    assert.deepEqual(refused, []);
  });

  it("takes four messages of the permitted size at once, and nobody is ended for want of memory", async () => {
    const large = await healthy(lab, "box", { env: { BOX_QUOTA_BYTES: String(2 ** 30) } });
    const text = message("large", `${"x".repeat(98)}\r\n`.repeat((25 * 2 ** 20) / 100 - 10));
    const port = await lmtpPort(large);
    const sent = await Promise.all(
      Array.from({ length: 4 }, () => deliver(port, { to: ["alice@semail.test"], message: text })),
    );
    const answers = sent.map(({ data }) => data[0]?.slice(0, 3));
    assert.deepEqual(answers, ["250", "250", "250", "250"]);
    assert.doesNotMatch(await large.logs(), /killed with signal/);
    assert.equal((await large.exec(["ls", "-A", "/srv/mail/.tmp"])).stdout, "");
    await large.remove();
  });

  it("starts on a disk that is full, so that its person can delete what fills it", async () => {
    const fill =
      "cd /srv/mail && mkdir -p Maildir/{tmp,cur,new} Maildir/.Junk/{tmp,cur,new} && " +
      "n=0 && while : 2>/dev/null >Maildir/cur/$((n++)):2,S; do :; done; exec entrypoint";
    const full = await healthy(lab, "box", {
      ...{ entrypoint: ["/bin/bash", "-c", fill], volumes: {} },
      tmpfs: { "/srv/mail": `${MOUNT},size=1m,nr_inodes=50,uid=5000,gid=5000,mode=0750` },
    });
    const { exitCode } = await full.exec(["doveadm", "expunge", "-u", "alice", "mailbox", "INBOX", "all"]);
    assert.equal(exitCode, 0);
    await full.remove();
  });

  it("costs at most 9 MiB and three processes of Dovecot's when nobody uses it", async () => {
    const container = lab.docker.getContainer(box.id);
    // Without the health check, which comes and goes.
    const processes = async () => {
      const { Processes } = await container.top();
      return Processes.filter((columns: string[]) => columns.at(-1)?.includes("dovecot")).length;
    };
    // Dovecot ends its idle processes after five seconds.
    let running = await processes();
    for (
      const deadline = Date.now() + 30_000;
      running > 3 && Date.now() < deadline;
      running = await processes()
    ) {
      await setTimeout(500);
    }
    assert.equal(running, 3);
    const { usage, stats } = (await container.stats({ stream: false })).memory_stats;
    // As `docker stats` counts: without the page cache that the kernel may take back.
    const own = usage - (stats.total_inactive_file ?? stats.inactive_file ?? 0);
    assert.ok(own <= 9 * 1024 * 1024, `${own} bytes`);
  });
});
