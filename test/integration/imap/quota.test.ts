/** The quota knows what is in the box, whatever was done there and by whom, and whatever befell Dovecot's indexes. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openLab } from "../../support/docker.ts";
import { deliver } from "../images/dialogue.ts";
import { lmtpPort } from "../images/images.ts";
import { openSession, type Session } from "./session.ts";
import { openReading, type ReadingSite } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

const QUOTA = 1_000_000;
const MESSAGE = `From: a@elsewhere.test\r\nTo: alice@semail.test\r\nSubject: counted\r\n\r\n${"x".repeat(9_000)}`;

describe("the quota", () => {
  let site: ReadingSite;
  let session: Session;
  let volume: string;

  const inBox = async (script: string) => (await site.box.exec(["bash", "-c", script])).stdout.trim();
  const delivered = async (field = "") => {
    const envelope = { from: "a@elsewhere.test", to: ["alice@semail.test"], message: field + MESSAGE };
    const { rcpt, data } = await deliver(await lmtpPort(site.box), envelope);
    return data[0] ?? rcpt[0] ?? "";
  };
  /** KiB and messages, as a mail program is told. */
  const counted = async () => {
    const said = (await session.ok("GETQUOTAROOT INBOX")).join();
    const [, kib, messages] = /STORAGE (\d+) \d+ MESSAGE (\d+) /.exec(said) ?? [];
    return { kib: Number(kib), messages: Number(messages) };
  };
  /** What Dovecot wrote into the names of the files: the sizes with the ends of lines that SMTP has. */
  const onDisk = async () => {
    const names = await inBox("find /srv/mail/Maildir -path '*/cur/*' -o -path '*/new/*'");
    const sizes = [...names.matchAll(/,W=(\d+)/g)].map(([, size]) => Number(size));
    return { kib: Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1_024), messages: sizes.length };
  };
  const append = (folder: string) => session.ok(`APPEND ${folder} {${MESSAGE.length}+}\r\n${MESSAGE}`);

  const damage = async (script: string) => {
    const done = await lab.run({
      ...{
        image: "debian:trixie-slim",
        user: 5000,
        volumes: { "/srv/mail": volume },
        entrypoint: ["sh", "-c"],
      },
      cmd: [`cd /srv/mail/Maildir && ${script}`],
    });
    assert.equal(await done.wait(), 0);
  };
  const restart = async (between?: () => Promise<unknown>) => {
    session.close();
    await site.box.stop();
    await between?.();
    await site.box.start();
    await site.box.waitHealthy();
    session = await openSession(site);
  };

  before(async () => {
    volume = await lab.volume();
    site = await openReading(lab, {
      box: { env: { BOX_QUOTA_BYTES: String(QUOTA) }, volumes: { "/srv/mail": volume } },
    });
    session = await openSession(site);
  });
  after(() => session?.close());

  const DOINGS: Readonly<Record<string, () => Promise<unknown>>> = {
    "mail comes in": async () => {
      for (let count = 0; count < 10; count += 1) assert.match(await delivered(), /^250 /);
    },
    "mail is put into a folder": async () => {
      await session.ok("CREATE Projects");
      for (let count = 0; count < 5; count += 1) await append("Projects");
    },
    "mail is copied": async () => {
      await session.ok("SELECT INBOX");
      await session.ok("COPY 1:4 Projects");
    },
    "mail is moved": () => session.ok("MOVE 1:3 Trash"),
    "mail is removed": async () => {
      await session.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)");
      await session.ok("EXPUNGE");
    },
    "flags change": () => session.ok("STORE 1:* +FLAGS.SILENT (\\Seen)"),
    "a folder is renamed": () => session.ok("RENAME Projects Archive/Projects"),
    "a folder is removed with its mail": () => session.ok("DELETE Archive/Projects"),
    "the box starts anew": () => restart(),
    "the index of the folders is gone": () => restart(() => damage("rm dovecot.list.index*")),
    "the indexes are empty, as after a power cut": () =>
      restart(() => damage("for f in dovecot*index*; do : >$f; done")),
    "mail comes in after that": () => delivered(),
  };
  for (const [name, act] of Object.entries(DOINGS)) {
    it(`is right when ${name}`, async () => {
      await act();
      assert.deepEqual(await counted(), await onDisk());
    });
  }

  it("refuses mail for what was put there by IMAP, and takes it again for what was removed there", async () => {
    let last = "";
    for (let count = 0; count < 120 && !last.startsWith("NO"); count += 1)
      last = await session
        .command(`APPEND Archive {${MESSAGE.length}+}\r\n${MESSAGE}`)
        .then((said) => said.at(-1) ?? "");
    assert.match(last, /^NO \[OVERQUOTA\]/);
    assert.match(await delivered(), /^452 4\.2\.2 /);
    await session.ok("SELECT Archive");
    await session.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)");
    await session.ok("EXPUNGE");
    assert.match(await delivered(), /^250 /);
    assert.deepEqual(await counted(), await onDisk());
  });

  it("is the box's: a delivery into a folder is seen by who has another one open", async () => {
    const status = async (folder: string) => (await session.ok(`STATUS ${folder} (MESSAGES)`)).join();
    await session.ok("SELECT Trash");
    const [inbox, junk] = [await status("INBOX"), await status("Junk")];
    assert.match(await delivered(), /^250 /);
    assert.match(await delivered("X-Semail-Junk: yes\r\n"), /^250 /);
    for (const [folder, before] of [
      ["INBOX", inbox],
      ["Junk", junk],
    ] as const) {
      const count = Number(/MESSAGES (\d+)/.exec(before)?.[1]);
      assert.match(await status(folder), new RegExp(`MESSAGES ${count + 1}\\)`));
    }
  });
});
