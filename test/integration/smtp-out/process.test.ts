import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import { appendFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { createTransport } from "nodemailer";
import { SendingSettings } from "../../../mailserver/contract.ts";
import { type LogFields, silentLog } from "../../../mailserver/net/log.ts";
import { openQueue } from "../../../mailserver/queue/queue.ts";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { makeIdentity, writeIdentity } from "../../support/identity.ts";
import { freePorts } from "../../support/ports.ts";
import { QUEUE_WORKER, temporaryFolder, testQueue } from "../../support/queue.ts";
import { mailer, RELAY, startStage } from "./setup.ts";

/** The bundle as the image has it, running as a process of its own. */
async function startDaemon(folder: string, settings: object) {
  const main = join(folder, "main.mjs");
  await writeFile(main, await bundleDaemon("mailserver/smtp-out/main.ts"));
  await writeFile(join(folder, "settings.json"), JSON.stringify(settings));
  const env = { ...process.env, SEMAIL_SETTINGS: join(folder, "settings.json") };
  const child: ChildProcess = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  const events: string[] = [];
  const ready = Promise.withResolvers<void>();
  const lines = new EventEmitter();
  if (child.stdout === null) throw new Error("no output");
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { event } = JSON.parse(line) as { event: string };
    events.push(event);
    lines.emit(event);
    if (event === "daemon.ready") ready.resolve();
  });
  child.once("exit", (code) => ready.reject(new Error(`ended with ${code} after ${events.join(", ")}`)));
  const logged = (event: string) => once(lines, event);
  return { child, events, ready: ready.promise, logged };
}

async function settingsFor(folder: string) {
  const [submissionPort, submissionsPort, relayPort, healthPort] = await freePorts(4);
  return {
    hostname: "mail.semail.test",
    domains: ["semail.test"],
    directory: {
      url: "ldap://127.0.0.1:1",
      bindDn: "cn=x",
      password: "directory-secret",
      peopleDn: "ou=people",
    },
    tls: await writeIdentity(folder, await makeIdentity("mail.semail.test")),
    relay: RELAY,
    resolvers: ["127.0.0.1:1"],
    queueDir: join(folder, "queue"),
    ...{ submissionPort, submissionsPort, relayPort, healthPort },
  };
}

test("the bundle takes mail, is healthy, keeps the mail over SIGKILL, and ends on SIGTERM within three seconds", async () => {
  await using folder = await temporaryFolder();
  const settings = await settingsFor(folder.path);
  const first = await startDaemon(folder.path, settings);
  await first.ready;
  const health = await fetch(`http://127.0.0.1:${settings.healthPort}/healthz`);
  assert.equal(health.status, 200);
  const relay = createTransport({
    ...{ host: "127.0.0.1", port: settings.relayPort, ignoreTLS: true },
    auth: { user: RELAY.user, pass: RELAY.password },
  });
  await relay.sendMail({ from: "eve@evil.test", to: "bob@one.test", text: "hi" });
  first.child.kill("SIGKILL");
  await once(first.child, "exit");

  const second = await startDaemon(folder.path, settings);
  await second.ready;
  // An idle client must not hold it up.
  const idle = createTransport({ host: "127.0.0.1", port: settings.relayPort, ignoreTLS: true, pool: true });
  void idle.verify().catch(() => {});
  const start = performance.now();
  second.child.kill("SIGTERM");
  const [code] = await once(second.child, "exit");
  idle.close();
  assert.equal(code, 0);
  assert.ok(performance.now() - start < 3_000, `${performance.now() - start} ms`);
  assert.equal(second.events.at(-1), "daemon.stopped");
  assert.ok(second.events.includes("queue.deferred") || second.events.includes("queue.started"));
});

test("SIGTERM ends it within three seconds although no name server answers, and what it looked up is not counted as tried", async () => {
  await using folder = await temporaryFolder();
  const silent = createSocket("udp4").bind(0, "127.0.0.1");
  await once(silent, "listening");
  const asked = once(silent, "message");
  const settings = { ...(await settingsFor(folder.path)), resolvers: [`127.0.0.1:${silent.address().port}`] };
  const daemon = await startDaemon(folder.path, settings);
  await daemon.ready;
  const relay = createTransport({
    ...{ host: "127.0.0.1", port: settings.relayPort, ignoreTLS: true },
    auth: { user: RELAY.user, pass: RELAY.password },
  });
  await relay.sendMail({ from: "eve@evil.test", to: "bob@one.test", text: "hi" });
  await asked;
  const start = performance.now();
  daemon.child.kill("SIGTERM");
  const [code] = await once(daemon.child, "exit");
  silent.close();
  assert.equal(code, 0);
  assert.ok(performance.now() - start < 3_000, `${performance.now() - start} ms`);
  assert.equal(daemon.events.at(-1), "daemon.stopped");
  await using queue = await testQueue(settings.queueDir);
  const { items } = await queue.claimDue({ now: Date.now(), limit: 10, except: [] });
  assert.deepEqual(
    items.flatMap(({ recipients }) => recipients.map(({ attempts }) => attempts)),
    [0],
  );
});

test("a certificate that is renewed is served without a restart, by STARTTLS and by TLS from the first byte", async () => {
  await using folder = await temporaryFolder();
  const settings = await settingsFor(folder.path);
  const daemon = await startDaemon(folder.path, settings);
  await daemon.ready;
  const renewed = await makeIdentity("mail.semail.test");
  await writeIdentity(folder.path, renewed);
  await daemon.logged("net.tls.reloaded");
  for (const [port, secure] of [
    [settings.submissionPort, false],
    [settings.submissionsPort, true],
  ] as const) {
    const tls = { ca: renewed.ca, servername: "mail.semail.test" };
    const transport = createTransport({ host: "127.0.0.1", port, secure, requireTLS: !secure, tls });
    assert.equal(await transport.verify(), true);
  }
  daemon.child.kill("SIGTERM");
  await once(daemon.child, "exit");
});

test("wrong settings end it with one clear line and an exit code", async () => {
  await using folder = await temporaryFolder();
  const { child, ready, events } = await startDaemon(folder.path, { hostname: "mail.semail.test" });
  await assert.rejects(ready, /ended with 1 /);
  assert.notEqual(child.exitCode, 0);
  assert.deepEqual(events, ["daemon.failed"]);
});

/** The files beside the queue, as they are opened. */
const BESIDE = ["limits.sqlite", "mta-sts.sqlite", "tls-report.sqlite"];

/** A file system of its own, of 2 MB. */
async function smallDisk(folder: string): Promise<{ disk: string } & AsyncDisposable> {
  const disk = join(folder, "disk");
  await mkdir(disk);
  const run = promisify(execFile);
  await run("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
  return { disk, [Symbol.asyncDispose]: async () => void (await run("umount", [disk])) };
}

/** A file that takes all the room that there is. */
async function fillDisk(disk: string): Promise<string> {
  const ballast = join(disk, "ballast");
  const full = async () => {
    for (;;) await appendFile(ballast, Buffer.alloc(4_096));
  };
  await assert.rejects(full, { code: "ENOSPC" });
  return ballast;
}

test("a full disk is answered 452 4.3.1, and mail flows when there is room again", async () => {
  await using folder = await temporaryFolder();
  await using small = await smallDisk(folder.path);
  const { disk } = small;
  await using stage = await startStage({
    queueDir: join(disk, "queue"),
    zone: { "one.test": { mx: "ESERVFAIL" } },
  });
  const ballast = join(disk, "ballast");
  await writeFile(ballast, Buffer.alloc(1_500_000));
  const mail = {
    from: "alice@semail.test",
    to: "bob@one.test",
    subject: "large",
    text: `${"x".repeat(70)}\n`.repeat(6_000),
  };
  await assert.rejects(
    async () => {
      for (let count = 0; count < 10; count++) await mailer(stage).sendMail(mail);
    },
    (error: Error & { response?: string }) => /^452 4\.3\.1 /.test(error.response ?? ""),
  );
  await writeFile(ballast, "");
  await mailer(stage).sendMail(mail);
});

test("a start on a full disk, after an end in order, goes on from the queue, answers 452, and takes mail when there is room", async () => {
  await using folder = await temporaryFolder();
  await using small = await smallDisk(folder.path);
  const told: string[] = [];
  const log = {
    ...silentLog,
    error: (event: string, { path }: LogFields = {}) => void told.push(`${event} ${path}`),
  };
  await using stage = await startStage({
    ...{
      log,
      queueDir: join(small.disk, "queue"),
      settings: { sending: SendingSettings.parse({ messagesPerDay: 2 }) },
    },
    zone: { "one.test": { mx: "ESERVFAIL" } },
  });
  const mail = { from: "alice@semail.test", to: "bob@one.test", subject: "hello", text: "hello" };
  await mailer(stage).sendMail(mail);
  await stage.out.close();
  const ballast = await fillDisk(small.disk);
  await stage.begin();
  assert.deepEqual(
    told,
    BESIDE.map((name) => `file.unusable ${join(stage.queueDir, name)}`),
  );
  assert.equal((await stage.out.queue.counts()).items, 1);
  const refused = (code: RegExp) => (error: Error & { response?: string }) => code.test(error.response ?? "");
  await assert.rejects(mailer(stage).sendMail(mail), refused(/^452 4\.3\.1 /));
  await writeFile(ballast, "");
  await mailer(stage).sendMail(mail);
  // What was sent before the disk was full counts.
  await assert.rejects(mailer(stage).sendMail(mail), refused(/^45\d 4\.7\.1 /));
});

test("a queue without a log says on a full disk that it needs room", async () => {
  await using folder = await temporaryFolder();
  await using small = await smallDisk(folder.path);
  const dir = join(small.disk, "queue");
  const queue = await openQueue({ dir, worker: QUEUE_WORKER });
  await queue.close();
  for (const end of ["wal", "shm"]) await rm(join(dir, `queue.sqlite-${end}`));
  const ballast = await fillDisk(small.disk);
  await assert.rejects(
    openQueue({ dir, worker: QUEUE_WORKER }),
    ({ cause }: Error) =>
      cause instanceof Error && /can't be opened on a full disk: make room/.test(cause.message),
  );
  await writeFile(ballast, "");
  await (await openQueue({ dir, worker: QUEUE_WORKER })).close();
});

test("damaged files beside the queue are set aside, and smtp-out starts", async () => {
  await using folder = await temporaryFolder();
  for (const name of BESIDE) await writeFile(join(folder.path, name), Buffer.alloc(8_192, 7));
  const told: string[] = [];
  const log = {
    ...silentLog,
    error: (event: string, { path }: LogFields = {}) => void told.push(`${event} ${path}`),
  };
  await using stage = await startStage({ log, queueDir: folder.path });
  await mailer(stage).sendMail({ from: "alice@semail.test", to: "bob@one.test", text: "hello" });
  assert.deepEqual(
    told.filter((line) => line.startsWith("file.")),
    BESIDE.map((name) => `file.damaged ${join(folder.path, name)}`),
  );
});
