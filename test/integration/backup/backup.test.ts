import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ImapFlow } from "imapflow";
import { extract } from "tar-stream";
import { type Handle, openLab } from "../../support/docker.ts";
import { deliver } from "../images/dialogue.ts";
import { boxPassword, healthy, lmtpPort } from "../images/images.ts";
import { type BackupSite, openBackup } from "./site.ts";

const lab = openLab();
const root = await mkdtemp(join(tmpdir(), "semail-t-"));
after(async () => {
  await lab.cleanup();
  await rm(root, { recursive: true, force: true });
});

const FOLDER = "Projets/Été";
const S3 = join(import.meta.dirname, "../../fixtures/images/s3");
const CLIENTS = join(import.meta.dirname, "../../fixtures/images/mail-clients");

const message = (subject: string) =>
  `From: sender@elsewhere.test\r\nTo: alice@semail.test\r\nSubject: ${subject}\r\n\r\nHello ${subject}\r\n`;

describe("the backup of a running box", () => {
  let box: Handle;
  let site: BackupSite;

  const send = async (subject: string) => {
    const { data } = await deliver(await lmtpPort(box), {
      to: ["alice@semail.test"],
      message: message(subject),
    });
    assert.match(data[0] ?? "", /^250 /);
  };
  const withImap = async <T>(work: (imap: ImapFlow) => Promise<T>) => {
    const auth = { user: "alice", pass: boxPassword("alice") };
    const port = await box.port("143/tcp");
    const imap = new ImapFlow({
      ...{
        host: "127.0.0.1",
        port,
        secure: false,
        doSTARTTLS: false,
        auth,
        logger: false,
        disableIMAP4rev2: true,
      },
    });
    await imap.connect();
    try {
      return await work(imap);
    } finally {
      await imap.logout();
    }
  };
  const inFolder = <T>(folder: string, work: (imap: ImapFlow) => Promise<T>) =>
    withImap(async (imap) => {
      const lock = await imap.getMailboxLock(folder);
      try {
        return await work(imap);
      } finally {
        lock.release();
      }
    });
  /** What an IMAP client sees of each message. */
  const messages = (folder = "INBOX") =>
    inFolder(folder, async (imap) => {
      if (imap.mailbox === false || imap.mailbox.exists === 0) return [];
      const all = await imap.fetchAll("1:*", { uid: true, flags: true, source: true, internalDate: true });
      return all.map(({ uid, flags, source, internalDate }) => ({
        ...{
          uid,
          source: String(source),
          flags: [...(flags ?? [])].filter((flag) => flag !== "\\Recent").sort(),
        },
        date: String(internalDate),
      }));
    });
  const subjects = async (folder = "INBOX") =>
    (await messages(folder)).map(({ source }) => /^Subject: (.*)\r$/m.exec(source)?.[1]).sort();
  const faultOf = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => assert.fail("it went well"),
      (reason) => reason,
    );
    return `${error.message}\n${error.remedy}`;
  };

  /** Where a job's container has volumes; asks until it is there. */
  const lookAt = async (name: string, running: Promise<unknown>): Promise<string[] | undefined> => {
    let over = false;
    const end = () => {
      over = true;
    };
    running.then(end, end);
    while (!over) {
      const found = await lab.docker
        .getContainer(name)
        .inspect()
        .catch(() => undefined);
      if (found)
        return found.Mounts.filter(({ Type }) => Type === "volume")
          .map(({ Destination, RW }) => (RW ? Destination : `${Destination} ro`))
          .sort();
    }
    return undefined;
  };

  before(async () => {
    const prefix = lab.name();
    const volume = `${prefix}-mail-alice`;
    const kinds = { "io.semail.stack": prefix, "io.semail.kind": "mail" };
    await lab.docker.createVolume({ Name: volume, Labels: { ...lab.labels, ...kinds } });
    box = await healthy(lab, "box", { volumes: { "/srv/mail": volume }, env: { BOX_QUOTA_BYTES: "0" } });
    await lab.docker.getContainer(box.id).rename({ name: `${prefix}-box-alice` });
    const image = await lab.ensureImage("mail-clients", CLIENTS);
    // Of a directory its age alone.
    const directory = await lab.run({ image, env: { SLAPD_SUFFIX: "dc=semail,dc=test" } });
    const slapcat = "printf '#!/bin/sh\\necho createTimestamp: 20200101000000Z\\n' >$1 && chmod 755 $1";
    const { exitCode } = await directory.exec(["sh", "-c", slapcat, "-", "/usr/local/bin/slapcat"], {
      user: "0",
    });
    assert.equal(exitCode, 0);
    await lab.docker.getContainer(directory.id).rename({ name: `${prefix}-directory` });
    // By then nothing is new any more.
    const now = () => new Date(Date.now() + 8 * 24 * 60 * 60_000);
    site = await openBackup(lab, { prefix, root, now });
  });

  it("says what to do before there is any snapshot", async () => {
    assert.match(await faultOf(site.run("restore")), /no repository at \/repository yet.*\n.*save --all/);
    assert.match(await faultOf(site.run("restore", { uids: ["bob"] })), /no mail of bob on this host/);
  });

  it("puts deleted mail and folders back byte by byte, and keeps what arrived and changed since", async () => {
    for (const subject of ["one", "two", "three"]) await send(subject);
    await withImap(async (imap) => {
      await imap.mailboxCreate(FOLDER);
      await imap.append(FOLDER, message("filed"), ["\\Seen", "$Label"]);
    });
    await inFolder("INBOX", (imap) => imap.messageFlagsAdd({ subject: "two" }, ["\\Flagged", "$Work"]));
    const saved = { inbox: await messages(), filed: await messages(FOLDER) };
    assert.match((await site.run("save")).at(-1) ?? "", /^✓ alice saved as [0-9a-f]{8} \(4 messages, /);

    await inFolder("INBOX", async (imap) => {
      await imap.messageDelete({ subject: "two" });
      await imap.messageFlagsAdd({ subject: "one" }, ["\\Answered"]);
    });
    await withImap((imap) => imap.mailboxDelete(FOLDER));
    await send("since");
    const before = await messages();
    const lines = await site.run("restore");
    assert.match(
      lines.join("\n"),
      /alice restored from [0-9a-f]{8} .*\(2 messages put back, 2 there already\)/,
    );
    assert.match(lines.join("\n"), /folders made again: Projets\/Été$/m);

    const now = await messages();
    // What is there stays, under its UIDs and flags.
    for (const each of before)
      assert.deepEqual(
        now.find(({ uid }) => uid === each.uid),
        each,
      );
    const { uid, ...two } =
      saved.inbox.find(({ source }) => source.includes("Subject: two")) ?? assert.fail();
    const back = now.find(({ source }) => source.includes("Subject: two")) ?? assert.fail();
    assert.deepEqual({ ...back, uid }, { ...two, uid });
    assert.ok(
      before.every((each) => each.uid < back.uid),
      "a UID of its own (RFC 3501 section 2.3.1.1)",
    );
    assert.equal(now.length, before.length + 1);
    assert.deepEqual(await messages(FOLDER), saved.filed);
    const listed = await withImap((imap) => imap.list());
    assert.equal(listed.find(({ path }) => path === FOLDER)?.subscribed, true);
    assert.match((await site.run("restore")).at(-1) ?? "", /0 messages put back, 4 there already/);
    assert.equal((await box.logs()).match(/(Error|Panic|corrupt).*/i)?.[0], undefined);
  });

  it("puts one folder back and leaves the others", async () => {
    await inFolder("INBOX", (imap) => imap.messageDelete({ all: true }));
    await inFolder(FOLDER, (imap) => imap.messageDelete({ all: true }));
    await site.run("restore", { folder: FOLDER });
    assert.deepEqual(await subjects(FOLDER), ["filed"]);
    assert.deepEqual(await subjects(), []);
    assert.match(await faultOf(site.run("restore", { folder: "Nowhere" })), /has no folder Nowhere/);
  });

  it("saves one folder, lists the snapshots, and keeps as many as asked", async () => {
    await send("four");
    await site.run("save");
    await site.run("save");
    await site.run("save", { folder: FOLDER });
    const lines = (await site.run("list")).map((line) => line.split(/ {2,}/));
    assert.deepEqual(
      lines.map(([uid, , , , folder]) => [uid, folder]),
      [
        ["alice", "all folders"],
        ["alice", "all folders"],
        ["alice", FOLDER],
      ],
    );
    assert.match(await faultOf(site.run("save", { folder: "Nowhere" })), /mailbox has no folder Nowhere/);
  });

  it("hands a mailbox out as an archive of its Maildir", async () => {
    const output = join(root, "alice.tar");
    await site.run("export", { output });
    const files = new Map<string, string>();
    for await (const entry of createReadStream(output).pipe(extract()))
      files.set(entry.header.name, await text(entry));
    const mail = [...files].filter(([name]) => /^\/?Maildir\/(new|cur)\/./.test(name));
    assert.equal(mail.length, 1);
    assert.equal(mail[0]?.[1], (await messages())[0]?.source.replaceAll("\r\n", "\n"));
  });

  it("puts a mailbox's mail into another's, and tells apart the mailboxes of a uid", async () => {
    const kinds = { "io.semail.stack": site.prefix, "io.semail.kind": "mail" };
    for (const id of ["bob", "alice_2"])
      await lab.docker.createVolume({
        Name: `${site.prefix}-mail-${id}`,
        Labels: { ...lab.labels, ...kinds },
      });
    const into = { uids: ["bob"], from: "alice" };
    assert.match((await site.run("restore", into)).join("\n"), /bob restored from .*\(2 messages put back/);
    assert.match((await site.run("restore", into)).join("\n"), /0 messages put back, 2 there already/);
    // The latest of the uid, which has nothing yet, and is not shown what the first had.
    assert.match(await faultOf(site.run("restore")), /There is no snapshot of alice_2/);
    assert.match((await site.run("list", { uids: ["alice_1"] })).join("\n"), /^alice {2,}/);
    assert.match(await faultOf(site.run("save", into)), /Leave --from out/);
    await lab.docker.getVolume(`${site.prefix}-mail-alice_2`).remove();
  });

  it("lists and removes the snapshots of a mailbox that is no more, and of no other", async () => {
    const of = (uid: string) => ({ uids: [uid] });
    await site.run("save", of("bob"));
    assert.match(await faultOf(site.run("forget", of("bob"))), /mail of bob is still on the host/);
    await lab.docker.getVolume(`${site.prefix}-mail-bob`).remove();
    assert.match((await site.run("list", of("bob"))).join("\n"), /^bob {2,}[0-9a-f]{8} /);
    assert.match((await site.run("forget", of("bob"))).at(-1) ?? "", /bob forgotten \(1 snapshot removed\)/);
    assert.match((await site.run("list", of("bob"))).join("\n"), /no snapshot/);
    assert.match((await site.run("list")).join("\n"), /^alice {2,}[0-9a-f]{8} /);
  });

  it("lists mailboxes that were given up, also where there is no backup", async () => {
    const kept = [
      { id: "carol", name: "Carol Petit", until: "2026-03-03" },
      { id: "alice", name: "Alice Martin", until: "2999-03-04" },
    ];
    const lines = await site.run("list", { uids: ["alice"] }, kept);
    assert.equal(lines[0], "alice             given up, its mail is kept until 2999-03-04  Alice Martin");
    assert.ok(!lines.some((line) => line.startsWith("carol")));
    assert.match(lines[1] ?? "", /^alice {2,}[0-9a-f]{8} /);
    await site.without(async () => {
      const [overdue, ...more] = await site.run("list", { uids: [] }, kept);
      assert.equal(
        overdue,
        "carol             given up, its mail was kept until 2026-03-03 and goes with the next `npm run up`  Carol Petit",
      );
      assert.equal(more.length, 1);
      assert.match(await faultOf(site.run("list")), /keeps no backup/);
    });
  });

  it("hands a mailbox out as an mbox that others read", async () => {
    const output = join(root, "alice.mbox");
    await withImap((imap) =>
      imap.append(FOLDER, "Subject: odd\r\n\r\nFrom the start\r\n>From\r\n", ["\\Flagged"]),
    );
    await site.run("save");
    await site.run("export", { output, mbox: true });
    const reader = await lab.run({ image: await lab.ensureImage("mail-clients", CLIENTS) });
    const script =
      "import mailbox; from email.header import decode_header,make_header; print(*sorted((x['Subject'],str(make_header(decode_header(x['X-Folder']))),x.get_flags()) for x in mailbox.mbox('/tmp/m')),sep='\\n')";
    await reader.exec(["tee", "/tmp/m"], { input: await readFile(output) });
    const { stdout, stderr } = await reader.exec(["python3", "-c", script]);
    assert.match(stdout, /^\('four', 'INBOX', 'O'\)$/m, stderr);
    assert.ok(stdout.includes(`('odd', '${FOLDER}', 'OF')`), stdout);
    await site.run("export", { output, mbox: true, folder: "INBOX" });
    assert.deepEqual(
      [...(await readFile(output, "utf8")).matchAll(/^Subject: (.*)$/gm)].map(([, name]) => name),
      ["four"],
    );
  });

  it("takes nothing of its own into a snapshot, whatever a box that is broken into has links to", async () => {
    const inMail = (script: string) => box.exec(["bash", "-c", `cd /srv/mail/Maildir && ${script}`]);
    const secrets = ["/settings/settings.json", "/run/password", "/proc/self/environ"];
    await inMail(
      `mv subscriptions ../kept && ln -s ${secrets[0]} subscriptions
       for n in 0 1 2; do mkdir -p .L$n/{cur,new,tmp}; done
       ln -sf ${secrets[0]} .L0/dovecot-uidlist; ln -sf ${secrets[1]} .L1/dovecot-uidlist; ln -sf ${secrets[2]} .L2/dovecot-keywords
       mkfifo .L0/dovecot-keywords; ln -s /settings .L3; ln -s /repository .L4; ln -s /settings .L1/cur/x`,
    );
    const output = join(root, "links.tar");
    await site.run("save");
    await site.run("export", { output });
    assert.doesNotMatch(await readFile(output, "latin1"), /"password"|RESTIC_|^first$/m);
    await inMail("rm -rf .L? && mv ../kept subscriptions");
  });

  it("gives what writes into a mailbox neither the repository nor a secret", async () => {
    const looks: Promise<unknown>[] = [];
    for (const action of ["save", "restore"] as const) {
      const running = site.run(action);
      for (const part of ["job", "store"]) looks.push(lookAt(`${site.prefix}-backup-${part}-alice`, running));
      await running;
    }
    const mounts = await Promise.all(looks);
    assert.deepEqual(mounts, [
      ["/srv/mail"],
      ["/repository", "/srv/mail ro"],
      ["/srv/mail"],
      ["/repository ro", "/srv/mail"],
    ]);
  });

  it("waits for a job whose driver was killed, and leaves it what it reads", async () => {
    const { Image } = await lab.docker.getContainer(`${site.prefix}-backup`).inspect();
    const left = await lab.run({ image: Image, entrypoint: ["/bin/sleep", "120"] });
    await lab.docker.getContainer(left.id).rename({ name: `${site.prefix}-backup-store-alice` });
    await box.exec(["mkdir", "-p", "/srv/mail/.backup/hold"]);
    for (const action of ["save", "restore"] as const)
      assert.match(await faultOf(site.run(action)), /Another backup or restore of this box is going on/);
    await box.exec(["rmdir", "/srv/mail/.backup/hold"]);
    await left.stop(0);
    await site.run("save");
  });

  it("keeps snapshots in a store of others' that looks at signatures, and puts mail back byte by byte", async () => {
    const network = await lab.network({ internal: true });
    const image = await lab.ensureImage("s3", S3);
    const store = await lab.run({ image, networks: { [network]: ["store"] } });
    const said = async () => /^\{.*\}$/m.exec(await store.logs())?.[0];
    for (const deadline = Date.now() + 60_000; (await said()) === undefined; await sleep(200))
      assert.ok(Date.now() < deadline, await store.logs());
    const s3 = JSON.parse((await said()) ?? "");
    const repository = "s3:http://store:9000/snapshots";
    await site.configure({ repository, s3 }, network);
    for (const subject of ["five", "six"]) await send(subject);
    const sources = async () => (await messages()).map(({ source }) => source).sort();
    const before = await sources();
    assert.match((await site.run("save")).at(-1) ?? "", /alice saved as /);
    await inFolder("INBOX", (imap) => imap.messageDelete({ all: true }));
    const restored = (await site.run("restore")).join("\n");
    assert.ok(restored.includes(`(${before.length} messages put back, `), restored);
    // Dovecot may see part of what came in the second of its last look at the next one only.
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(200))
      if ((await sources()).length === before.length) break;
    assert.deepEqual(await sources(), before);
    await site.configure({ repository, s3: { ...s3, secretKey: "a-wrong-key" } }, network);
    const fault = await faultOf(site.run("save"));
    assert.match(fault, /store:9000\/snapshots can't be used: .*signature.*\n.*semail:backup with its keys/s);
    assert.doesNotMatch(fault, /a-wrong-key/);
    await site.configure({});
  });

  it("names the remedy when the password is wrong or the repository is away", async () => {
    await site.configure({ password: "another" });
    for (const action of ["save", "list", "restore"] as const)
      assert.match(
        await faultOf(site.run(action)),
        /password does not open .*\n.*earlier stack.*\n?.*backupPassword/s,
      );
    await site.configure({
      repository: "s3:http://192.0.2.1/bucket",
      s3: { keyId: "id", secretKey: "a-secret-key" },
    });
    const said = await faultOf(site.run("list"));
    assert.match(said, /repository s3:http:\/\/192\.0\.2\.1\/bucket can't be used: .*\n.*can be reached/);
    assert.doesNotMatch(said, /a-secret-key/);
    await site.configure({});
    assert.deepEqual(await site.run("key"), ["first"]);
  });

  it("leaves nothing behind in the box or on the engine", async () => {
    const { stdout } = await box.exec(["ls", "-A", "/srv/mail"]);
    assert.doesNotMatch(stdout, /\.backup/);
    const filters = { name: ["job", "store", "history"].map((part) => `${site.prefix}-backup-${part}`) };
    assert.deepEqual(await lab.docker.listContainers({ all: true, filters }), []);
  });
});
