/** A person's own rules, put into their box through `access`, and what becomes of mail by them. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { collectReplies } from "../../../mailserver/courier/reply-door.ts";
import { doorContext } from "../../../mailserver/net/tls.ts";
import { openLab } from "../../support/docker.ts";
import { FRONT } from "../../support/front.ts";
import { type ManageSieve, openManageSieve } from "../../support/manage-sieve.ts";
import { deliver } from "../images/dialogue.ts";
import { lmtpPort } from "../images/images.ts";
import { HOST, openReading, PASSWORD, type ReadingSite } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

const script = (name: string) =>
  readFile(join(import.meta.dirname, `../../fixtures/sieve/${name}.sieve`), "utf8");

/** The name by which the test reaches the box, too. */
const BOX = "localhost";
const AWAY = 'require "vacation"; vacation :days 2 :subject "Away" "Back on Monday.";';

describe("Sieve through access", () => {
  let site: ReadingSite;
  let sieve: ManageSieve;

  const open = async () =>
    openManageSieve({
      ...{ port: await site.access.port("4190/tcp"), ca: site.ca, servername: HOST },
      ...{ user: "alice", pass: PASSWORD },
    });

  interface Sent {
    readonly from?: string;
    readonly to?: string;
    readonly header?: string;
    readonly subject?: string;
  }
  const send = async ({
    from = "sender@elsewhere.test",
    to = "alice@semail.test",
    header = "",
    subject = "x",
  }: Sent) => {
    const message = `From: ${from}\r\nTo: ${to}\r\n${header}Subject: ${subject}\r\n\r\nHello`;
    const { data } = await deliver(await lmtpPort(site.box), { from, to: ["alice@semail.test"], message });
    assert.match(data[0] ?? "", /^250 /);
  };
  /** Sources of a folder's messages with that subject. */
  const found = async (folder: string, subject: string) => {
    const imap = await site.imap();
    const lock = await imap.getMailboxLock(folder);
    try {
      const all = await imap.fetchAll("1:*", { source: true });
      return all
        .map(({ source }) => String(source))
        .filter((text) => text.includes(`Subject: ${subject}\r\n`));
    } finally {
      lock.release();
      await imap.logout();
    }
  };
  /** What the box wants to send; waits for it when there must be something. */
  const replies = async (expected: boolean): Promise<{ recipient: string; message: string }[]> => {
    const taken: { recipient: string; message: string }[] = [];
    const place = { host: BOX, port: await site.box.port("26/tcp"), door: doorContext(FRONT) };
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(100)) {
      await collectReplies(place, async ({ recipient, message }) => {
        taken.push({ recipient, message: String(message) });
        return true;
      }).catch((error) => {
        // Nothing listens in the box; what publishes its port may have taken the connection.
        if (taken.length === 0 && !/ECONNREFUSED|ECONNRESET|socket disconnected|hang up/.test(String(error)))
          throw error;
      });
      if (!expected || taken.length > 0) break;
    }
    return taken;
  };
  const files = async () =>
    (await site.box.exec(["sh", "-c", "ls /srv/mail/replies/new 2>/dev/null | wc -l"])).stdout.trim();

  before(async () => {
    site = await openReading(lab, { box: { hostname: BOX } });
    sieve = await open();
  });
  after(() => sieve?.close());

  it("says where a script is wrong, and keeps the one that runs", async () => {
    await sieve.run('require "fileinto"; fileinto "Archive";');
    const said = await sieve.put("main", 'require "fileinto";\nfileinto "Archive;');
    assert.match(said, /^NO .*\n?.*line 2.*string/s);
    assert.match(await sieve.put("other", "keep; nonsense;"), /^NO .*nonsense/s);
    await send({ subject: "still filed" });
    assert.equal((await found("Archive", "still filed")).length, 1);
  });

  it("answers in the person's name, once, to who wrote to them", async () => {
    await sieve.run(AWAY);
    await send({ header: "Message-ID: <first@elsewhere.test>\r\n" });
    const [reply, ...more] = await replies(true);
    assert.deepEqual(more, []);
    assert.equal(reply?.recipient, "sender@elsewhere.test");
    for (const line of [
      /^From: <?alice@semail\.test>?\r?$/m,
      /^To: <?sender@elsewhere\.test>?\r?$/m,
      /^Subject: Away\r?$/m,
      /^In-Reply-To: <first@elsewhere\.test>\r?$/m,
      /^Auto-Submitted: auto-replied/m,
      /^Message-ID: <[^>]+@semail\.test>\r?$/im,
      /^Back on Monday\.\r?$/m,
    ])
      assert.match(reply?.message ?? "", line);
    await send({ header: "Message-ID: <second@elsewhere.test>\r\n" });
    assert.equal(await files(), "0");
  });

  for (const [whom, sent] of [
    ["a mailing list", { from: "list-owner@lists.test", header: "List-Id: <list.lists.test>\r\n" }],
    ["another automatic reply", { from: "robot@elsewhere.test", header: "Auto-Submitted: auto-replied\r\n" }],
    ["the null reverse-path", { from: "" }],
    ["who wrote to somebody else", { from: "a@elsewhere.test", to: "undisclosed@elsewhere.test" }],
    ["what was marked as junk", { from: "b@elsewhere.test", header: "X-Semail-Junk: yes\r\n" }],
    ["a mail system", { from: "mailer-daemon@elsewhere.test" }],
  ] as [string, Sent][]) {
    it(`answers not ${whom}`, async () => {
      await send(sent);
      assert.equal(await files(), "0");
    });
  }

  it("keeps a reply until it is fetched, over a restart of the box", async () => {
    await send({ from: "patient@elsewhere.test" });
    await site.box.stop();
    await site.box.start();
    await site.box.waitHealthy();
    assert.deepEqual(
      (await replies(true)).map(({ recipient }) => recipient),
      ["patient@elsewhere.test"],
    );
    sieve = await open();
  });

  it("includes scripts, has variables, and changes the header", async () => {
    assert.match(await sieve.put("common", await script("common")), /^OK/);
    await sieve.run(await script("lists"));
    await send({ subject: "[News] today", header: "X-Noise: much\r\n" });
    const [filed] = await found("Lists/news", "[News] today");
    assert.match(filed ?? "", /^X-Filed: news\r$/m);
    assert.doesNotMatch(filed ?? "", /X-Noise/);
  });

  it("keeps mail in INBOX when a script fails while it runs", async () => {
    await sieve.run(await script("failing"));
    await send({ subject: "the rule failed" });
    assert.equal((await found("INBOX", "the rule failed")).length, 1);
  });

  it("keeps mail that a script wants to send elsewhere, and sends nothing", async () => {
    await sieve.run('redirect "a@elsewhere.test";');
    await send({ subject: "to be redirected" });
    assert.equal((await found("INBOX", "to be redirected")).length, 1);
    assert.equal(await files(), "0");
  });

  it("keeps mail in INBOX when the script is damaged", async () => {
    await site.box.exec([
      "sh",
      "-c",
      "echo 'fileinto' >/srv/mail/sieve/main.sieve; rm -f /srv/mail/sieve/main.svbin",
    ]);
    await send({ subject: "the rule is damaged" });
    assert.equal((await found("INBOX", "the rule is damaged")).length, 1);
  });
});
