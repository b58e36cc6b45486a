import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Daemon, logged, loggedTimes } from "../../support/daemon-process.ts";
import { startLdap } from "../../support/ldap-stub.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { metricSum } from "../../support/metrics.ts";
import { freePorts } from "../../support/ports.ts";
import { RawClient } from "../../support/raw-client.ts";
import { run, settingsFor } from "./process.ts";

async function settings(context: TestContext, more: Record<string, unknown> = {}) {
  const ldap = await startLdap();
  context.after(() => ldap.close());
  const [port = 0, healthPort = 0, lmtpPort = 0] = await freePorts(3);
  const made = settingsFor({ port, healthPort, lmtpPort, ldapPort: ldap.port });
  return { ...made, port, healthPort, lmtpPort, workers: 2, retry: { firstMs: 50 }, ...more };
}

async function greeted(port: number): Promise<RawClient> {
  const client = await RawClient.open(port);
  assert.equal(await client.reply(), "220");
  assert.equal(await client.say("EHLO c"), "250");
  return client;
}

/** One message up to its DATA. */
async function begun(port: number): Promise<RawClient> {
  const client = await greeted(port);
  await client.say("MAIL FROM:<bob@foreign.example>");
  assert.equal(await client.say("RCPT TO:<alice@semail.test>"), "250 2.1.5");
  assert.equal(await client.say("DATA"), "354");
  return client;
}

/** One that this worker has. The system chooses; among so many connections each worker gets some. */
async function begunBy(daemon: Daemon, port: number, worker: number): Promise<RawClient> {
  for (let tries = 0; tries < 100; tries += 1) {
    const seen = openedBy(daemon).length;
    const client = await begun(port);
    await loggedTimes(daemon, "smtp.session.open", seen + 1);
    if (openedBy(daemon).at(-1) === worker) return client;
    client.close();
  }
  return assert.fail(`worker ${worker} got none of 100 connections`);
}

const finish = (client: RawClient, subject = "x"): Promise<string> =>
  client.say(`Subject: ${subject}\r\n\r\nhi\r\n.`);

/** Which workers had the sessions so far. */
const openedBy = ({ lines }: Daemon): number[] =>
  lines.filter(({ event }) => event === "smtp.session.open").map(({ worker }) => Number(worker));

const pidOf = ({ lines }: Daemon, slot: number): number =>
  Number(lines.findLast(({ event, worker }) => event === "worker.started" && worker === slot)?.pid);

describe("the workers of smtp-in", () => {
  test("share the connections; one that is killed takes no other's session along, and is replaced", async (context) => {
    const given = await settings(context);
    const daemon = run(given);
    await logged(daemon, "daemon.ready");
    const first = await begunBy(daemon, given.port, 1);
    const second = await begunBy(daemon, given.port, 2);
    process.kill(pidOf(daemon, 1), "SIGKILL");
    assert.equal(await first.reply(), "closed");
    assert.equal(await finish(second), "250 2.0.0");
    await loggedTimes(daemon, "worker.started", 3);
    assert.equal(await finish(await begunBy(daemon, given.port, 1)), "250 2.0.0");
    assert.equal((await fetch(`http://127.0.0.1:${given.healthPort}/healthz`)).status, 200);
    daemon.child.kill("SIGTERM");
    assert.equal(await daemon.ended, 0);
  });

  test("hold a client to its limits together", async (context) => {
    const given = await settings(context, { clients: { address: { connections: 3 } } });
    await logged(run(given), "daemon.ready");
    const clients = [];
    for (let client = 0; client < 3; client += 1) clients.push(await greeted(given.port));
    assert.equal(await (await RawClient.open(given.port)).reply(), "421 4.7.0");
    await clients[0]?.say("QUIT");
    let greeting = "421 4.7.0";
    while (greeting === "421 4.7.0") greeting = await (await RawClient.open(given.port)).reply();
    assert.equal(greeting, "220");
  });

  test("are measured together, at loopback and the address for Prometheus", async (context) => {
    const given = await settings(context, { metricsAddress: "127.0.0.2" });
    const daemon = run(given);
    await logged(daemon, "daemon.ready");
    for (const worker of [1, 2]) {
      assert.equal(await finish(await begunBy(daemon, given.port, worker)), "250 2.0.0");
    }
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      const response = await fetch(`http://${host}:${given.healthPort}/metrics`);
      assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
      const page = await response.text();
      const told = page.split("\n");
      for (const worker of [1, 2]) {
        for (const line of [
          `semail_events_total{event="smtp.message.accepted",worker="${worker}"} 1`,
          `semail_recipients_total{outcome="accepted",worker="${worker}"} 1`,
          // No box listens: both wait in the spools of two workers.
          `semail_queue_items{worker="${worker}"} 1`,
          `semail_room_bytes{worker="${worker}"} ${3.25 * 26_214_400}`,
          `semail_room_held_bytes{worker="${worker}"} 0`,
          `semail_worker_restarts_total{worker="${worker}"} 0`,
        ]) {
          assert.ok(told.includes(line), `${line} is not in\n${page}`);
        }
      }
      assert.ok(told.includes("semail_workers_serving 2"), page);
      assert.equal(metricSum(page, "semail_queue_items"), 2);
      assert.ok(metricSum(page, "semail_certificate_expires_seconds") > 2 * (Date.now() / 1_000));
    }
  });

  const leavings: Readonly<Record<string, (client: RawClient) => void>> = {
    "closes its side": (client) => void client.socket.end(),
    resets: (client) => void client.socket.resetAndDestroy(),
  };
  for (const [how, leave] of Object.entries(leavings)) {
    test(`end the session of a client that ${how} after any byte`, async (context) => {
      const given = await settings(context, { limits: { connectionsPerClient: 500 } });
      const daemon = run(given);
      await logged(daemon, "daemon.ready");
      const said =
        "EHLO c\r\nMAIL FROM:<b@f.example>\r\nRCPT TO:<alice@semail.test>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n";
      for (let length = 0; length <= said.length; length += 1) {
        const client = await RawClient.open(given.port);
        client.socket.resume();
        // Not waited for: what was sent arrives together with the end, before the connection is handed over.
        client.write(said.slice(0, length));
        leave(client);
      }
      const probe = await greeted(given.port);
      await probe.say("QUIT");
      // One that was reset before it was accepted may never have been seen.
      if (how !== "resets") await loggedTimes(daemon, "smtp.session.open", said.length + 2);
      for (const seen = { opened: 0 }; seen.opened < openedBy(daemon).length; ) {
        seen.opened = openedBy(daemon).length;
        await loggedTimes(daemon, "smtp.session.close", seen.opened);
      }
    });
  }

  test("let a message finish when the daemon ends, and then it is in the spool", async (context) => {
    const given = await settings(context);
    const daemon = run(given);
    await logged(daemon, "daemon.ready");
    const client = await begun(given.port);
    daemon.child.kill("SIGTERM");
    await logged(daemon, "daemon.stopping");
    assert.equal(await finish(client), "250 2.0.0");
    assert.equal(await client.reply(), "421 4.3.2");
    assert.equal(await daemon.ended, 0);
  });

  test("meet at a box where they are two, and wait for no turn", async (context) => {
    const given = await settings(context);
    let inside = 0;
    const both = Promise.withResolvers<void>();
    const box = await listenForMail({
      listen: { host: "127.0.0.1", port: given.lmtpPort },
      session: { protocol: "lmtp" },
      policy: {
        message: async () => {
          inside += 1;
          if (inside === 2) both.resolve();
          await both.promise;
          return { kind: "accept" };
        },
      },
    });
    context.after(() => box.listener.close());
    const daemon = run(given);
    await logged(daemon, "daemon.ready");
    const clients = [await begunBy(daemon, given.port, 1), await begunBy(daemon, given.port, 2)];
    const answers = await Promise.all(clients.map((client) => finish(client)));
    assert.deepEqual(answers, ["250 2.0.0", "250 2.0.0"]);
  });

  test("take turns at a box where they are more", async (context) => {
    const given = await settings(context, { workers: 3 });
    const box = await listenForMail({
      listen: { host: "127.0.0.1", port: given.lmtpPort },
      session: { protocol: "lmtp" },
      // Long enough for all to meet, were each to wait for a turn that nobody gives.
      policy: { message: () => setTimeout(200, { kind: "accept" }) },
    });
    context.after(() => box.listener.close());
    const daemon = run(given);
    await logged(daemon, "daemon.ready");
    const clients: RawClient[] = [];
    for (const slot of [1, 2, 3]) clients.push(await begunBy(daemon, given.port, slot));
    const answers = await Promise.all(clients.map((client) => finish(client)));
    assert.deepEqual(answers, ["250 2.0.0", "250 2.0.0", "250 2.0.0"]);
    await box.reached(3);
    assert.equal(box.atOnce(), 2);
  });

  test("take care of what the spools of workers that are no more still hold", async (context) => {
    const given = await settings(context, { workers: 3 });
    const before = run(given);
    await logged(before, "daemon.ready");
    for (const [index, subject] of ["one", "two", "three"].entries()) {
      assert.equal(await finish(await begunBy(before, given.port, index + 1), subject), "250 2.0.0");
    }
    before.child.kill("SIGTERM");
    assert.equal(await before.ended, 0);

    const box = await listenForMail({
      listen: { host: "127.0.0.1", port: given.lmtpPort },
      session: { protocol: "lmtp" },
    });
    context.after(() => box.listener.close());
    const after = run({ ...given, workers: 1 });
    await box.reached(3);
    await loggedTimes(after, "queue.delivered", 3);
    after.child.kill("SIGTERM");
    assert.equal(await after.ended, 0);
    const subjects = box.messages.map(({ text }) => /Subject: (.*)\r/.exec(text)?.[1] ?? "");
    assert.deepEqual(subjects.toSorted(), ["one", "three", "two"]);

    const last = run({ ...given, workers: 1 });
    await logged(last, "daemon.ready");
    assert.ok(existsSync(join(given.queueDir, "worker-1", "queue.sqlite")));
    assert.deepEqual(readdirSync(join(given.queueDir, "worker-2")), []);
  });
});
