import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Daemon, loggedTimes } from "../../support/daemon-process.ts";
import { type Box, type MailSite, openMailSite } from "../../support/mail-site.ts";
import { metricSum } from "../../support/metrics.ts";
import { freePorts } from "../../support/ports.ts";
import { RawClient } from "../../support/raw-client.ts";

const MARK = "X-Fault-Id";
/** A disk that is soon full. */
const SMALL_DISK = "4m";

let site: MailSite;
let daemon: Daemon;
let port: number;
let healthPort: number;
let spool: string;
let [alice, bob, carol] = [] as unknown as [Box, Box, Box];
let number = 0;

before(async () => {
  site = await openMailSite({ boxes: 3 });
  [alice, bob, carol] = site.boxes as [Box, Box, Box];
  spool = join(site.folder, "spool");
  await mkdir(spool);
  await execa("mount", ["-t", "tmpfs", "-o", `size=${SMALL_DISK},mode=0700`, "semail-test", spool]);
  const [closed = 0, ...ports] = await freePorts(3);
  [port = 0, healthPort = 0] = ports;
  daemon = await site.start("mailserver/smtp-in/main.ts", {
    ...site.settings,
    ...{ port, healthPort, workers: 1, queueDir: spool },
    directory: { ...(site.settings.directory as object), timeoutMs: 1_000 },
    // Nobody listens there: a resolver that is stopped.
    resolvers: [`127.0.0.1:${closed}`],
    senders: { timeoutMs: 1_000 },
    relay: { host: "127.0.0.1", port: 1, user: "smtp-in", password: "relay-password-0123" },
    retry: { firstMs: 100, maxMs: 500 },
  });
});
beforeEach(async () => {
  for (const { door } of [alice, bob, carol]) await door.open();
});
after(async () => {
  await daemon?.kill();
  await execa("umount", ["--lazy", spool]).catch(() => {});
  await site?.close();
});

const clients: RawClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function session(): Promise<RawClient> {
  const client = await RawClient.open(port);
  clients.push(client);
  assert.equal(await client.reply(), "220");
  assert.equal(await client.say("EHLO c"), "250");
  return client;
}

/** A message up to its final dot, and what tells it apart. */
async function begun(to: readonly Box[], lines = 1): Promise<{ id: string; client: RawClient }> {
  number += 1;
  const id = `f${number}`;
  const client = await session();
  await client.say("MAIL FROM:<bob@foreign.example>");
  for (const { address } of to) assert.equal(await client.say(`RCPT TO:<${address}>`), "250 2.1.5");
  assert.equal(await client.say("DATA"), "354");
  const body = `${"x".repeat(76)}\r\n`.repeat(lines);
  client.write(`${MARK}: ${id}\r\nFrom: <bob@foreign.example>\r\n\r\n${body}`);
  return { id, client };
}

async function sent(to: readonly Box[], lines?: number): Promise<{ id: string; reply: string }> {
  const { id, client } = await begun(to, lines);
  const reply = await client.say(".");
  client.close();
  return { id, reply };
}

/** Far more than anything here takes. */
const LONG_MS = 60_000;

async function metrics(): Promise<string> {
  return (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
}

async function drained(): Promise<void> {
  const deadline = Date.now() + LONG_MS;
  for (let items = Number.NaN; items !== 0; await sleep(100)) {
    if (Date.now() > deadline) assert.fail(`still in the spool: ${items}`);
    items = metricSum(await metrics(), "semail_queue_items");
  }
}

/** How often the message is in the box, once nothing waits any more. */
async function copies(id: string, box: Box): Promise<number> {
  await drained();
  return (await box.count(MARK)).get(id) ?? 0;
}

/** Until the disk takes what is for the box while it is on its way there, since the box is quick. */
async function quick(box: Box): Promise<void> {
  const kept = (): number => daemon.lines.filter(({ event }) => event === "queue.accepted").length;
  for (const before = kept(); kept() === before; ) await sent([box]);
}

describe("smtp-in", () => {
  test("while its resolver is stopped takes mail, and says that the sender could not be checked", async () => {
    const { id, reply } = await sent([alice]);
    assert.equal(reply, "250 2.0.0");
    assert.equal(await copies(id, alice), 1);
    const { stdout } = await alice.handle.exec([
      "grep",
      "-rhiE",
      "(spf|dmarc)=temperror",
      "/srv/mail/Maildir",
    ]);
    assert.match(stdout, /temperror/);
  });

  test("while a box is stopped takes its mail, and delivers it once when the box is back", async () => {
    await alice.door.shut();
    const { id, reply } = await sent([alice, bob]);
    assert.equal(reply, "250 2.0.0");
    assert.equal((await bob.count(MARK)).get(id), 1, "the other box does not wait");
    await alice.door.open();
    assert.deepEqual([await copies(id, alice), await copies(id, bob)], [1, 1]);
  });

  test("waits for a frozen box of which nothing is known, and delivers once", async () => {
    const { id, client } = await begun([carol]);
    await carol.handle.pause();
    const reply = client.say(".");
    const early = await Promise.race([reply, sleep(1_500, "nothing yet")]);
    await carol.handle.unpause();
    assert.equal(early, "nothing yet");
    assert.equal(await reply, "250 2.0.0");
    assert.equal(await copies(id, carol), 1);
  });

  test("has the disk take what is for a box that freezes amid its mail, and delivers once", async () => {
    await quick(alice);
    const { id, client } = await begun([alice]);
    await alice.handle.pause();
    const early = await Promise.race([client.say("."), sleep(LONG_MS, "nothing yet", { ref: false })]);
    await alice.handle.unpause();
    assert.equal(early, "250 2.0.0");
    assert.equal(await copies(id, alice), 1);
  });

  const stages = ["the greeting", "LHLO", "MAIL", "RCPT", "the message"];
  for (const [replies, stage] of stages.entries()) {
    test(`delivers once to a box that froze before its reply to ${stage}`, async () => {
      // Sessions that are kept would be asked first.
      alice.door.cut();
      const frozen = alice.door.stallAfter(replies);
      const { id, client } = await begun([alice]);
      const reply = client.say(".");
      await frozen;
      alice.door.thaw();
      assert.equal(await reply, "250 2.0.0");
      assert.equal(await copies(id, alice), 1);
    });
  }

  test("delivers at least once what a box took while the connection to it broke", async () => {
    for (let cut = 0; cut < 10; cut += 1) {
      const { id, client } = await begun([alice], 100);
      const reply = client.say(".");
      await sleep(cut * 3);
      alice.door.cut();
      assert.equal(await reply, "250 2.0.0");
      client.close();
      assert.ok((await copies(id, alice)) >= 1);
    }
  });

  const outages: Readonly<Record<string, readonly [() => Promise<void>, () => Promise<void>]>> = {
    "is stopped": [() => site.directoryDoor.shut(), () => site.directoryDoor.open()],
    "is frozen": [() => site.directory.pause(), () => site.directory.unpause()],
  };
  for (const [how, [end, begin]] of Object.entries(outages)) {
    test(`while the directory ${how} asks senders to come again, and knows everybody soon after`, async () => {
      const client = await session();
      await client.say("MAIL FROM:<bob@foreign.example>");
      await end();
      // Answers are remembered for a few seconds; a new address has to be asked for.
      const unasked = await client.say(`RCPT TO:<nobody${number}@semail.test>`);
      await begin();
      assert.equal(unasked, "451 4.4.3");
      const deadline = Date.now() + LONG_MS;
      let reply = "451 4.4.3";
      while (reply === "451 4.4.3" && Date.now() < deadline) {
        await sleep(100);
        reply = await client.say("RCPT TO:<nobody@semail.test>");
      }
      assert.equal(reply, "550 5.1.1");
      assert.equal((await sent([alice])).reply, "250 2.0.0");
    });
  }

  test("with a full disk answers 452 rather than 250 or 5xx, keeps what it took, and goes on when there is room", async () => {
    await alice.door.shut();
    const taken: string[] = [];
    let last = "250 2.0.0";
    while (last === "250 2.0.0") {
      const { id, reply } = await sent([alice], 3_000);
      last = reply;
      if (reply === "250 2.0.0") taken.push(id);
    }
    assert.equal(last, "452 4.3.1");
    assert.ok(taken.length > 1);
    const { bavail, blocks, bsize } = statfsSync(spool);
    const page = await metrics();
    assert.equal(metricSum(page, "semail_disk_bytes"), blocks * bsize);
    // What waits is tried again meanwhile, which takes a little.
    assert.ok(Math.abs(metricSum(page, "semail_disk_free_bytes") - bavail * bsize) < 500_000, page);
    // A box that answers needs no room.
    const { id, reply } = await sent([bob]);
    assert.deepEqual([reply, await copiesNow(id, bob)], ["250 2.0.0", 1]);
    await alice.door.open();
    for (const each of taken) assert.equal(await copies(each, alice), 1, each);
    await alice.door.shut();
    const again = await sent([alice], 3_000);
    assert.equal(again.reply, "250 2.0.0");
    await alice.door.open();
    assert.equal(await copies(again.id, alice), 1);
  });

  test("loses nothing of what it answered 250 when a client is gone at any byte", async () => {
    const said = `MAIL FROM:<b@f.example>\r\nRCPT TO:<${alice.address}>\r\nDATA\r\n${MARK}: gone\r\n\r\n.\r\n`;
    const before = daemon.lines.filter(({ event }) => event === "smtp.session.close").length;
    for (let length = 0; length <= said.length; length += 1) {
      const client = await session();
      client.write(said.slice(0, length));
      client.socket.end();
    }
    await loggedTimes(daemon, "smtp.session.close", before + said.length + 1);
    // Only one of them was whole.
    assert.equal(await copies("gone", alice), 1);
  });
});

async function copiesNow(id: string, box: Box): Promise<number> {
  return (await box.count(MARK)).get(id) ?? 0;
}
