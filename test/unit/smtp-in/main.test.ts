import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { RawClient } from "../../support/raw-client.ts";

const folder = mkdtempSync(join(tmpdir(), "semail-smtp-in-"));
const bundle = join(folder, "main.mjs");
const children: ChildProcess[] = [];
let identity: Identity;

before(async () => {
  identity = await makeIdentity("mx.semail.test");
  writeFileSync(bundle, await bundleDaemon("mailserver/smtp-in/main.ts"));
});
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Ports that nobody has right now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** The daemon as its image runs it, from a folder without packages. */
function run(settings: unknown): {
  child: ChildProcess;
  lines: Record<string, unknown>[];
  ended: Promise<number | null>;
} {
  const file = join(folder, `settings-${children.length}.json`);
  writeFileSync(file, typeof settings === "string" ? settings : JSON.stringify(settings));
  const openssl = new URL("../../../mailserver/images/node/openssl.cnf", import.meta.url).pathname;
  const child = spawn(process.execPath, [`--openssl-config=${openssl}`, bundle, file], { cwd: folder });
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  let rest = "";
  child.stdout.on("data", (chunk) => {
    const parts = (rest + String(chunk)).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) lines.push(JSON.parse(part));
    child.emit("logged");
  });
  child.stderr.on("data", (chunk) => lines.push({ event: "stderr", text: String(chunk) }));
  // Not "exit": the last lines may still be on their way.
  const ended = once(child, "close").then(([code]): number | null => code);
  return { child, lines, ended };
}

async function logged({ child, lines }: ReturnType<typeof run>, event: string): Promise<void> {
  while (!lines.some((line) => line.event === event)) {
    if (child.exitCode !== null) assert.fail(`ended before ${event}: ${JSON.stringify(lines)}`);
    await Promise.race([once(child, "logged"), once(child, "exit")]);
  }
}

/** Settings of a daemon whose directory does not answer, with a spool of its own. */
function settingsFor(ports: { port: number; healthPort: number; ldapPort?: number; lmtpPort?: number }) {
  const { ldapPort = 1, ...rest } = ports;
  return {
    hostname: "mx.semail.test",
    domains: ["semail.test"],
    directory: {
      url: `ldap://127.0.0.1:${ldapPort}`,
      bindDn: "cn=smtp-in",
      password: "LDAP-SECRET",
      peopleDn: "ou=people",
    },
    tls: { certificate: identity.certificate, key: identity.key },
    relay: { host: "127.0.0.1", port: 1, user: "smtp-in", password: "RELAY-SECRET-012" },
    queueDir: mkdtempSync(join(folder, "queue-")),
    ...rest,
  };
}

/** Answers every bind with success and every search with one person, whatever is asked (RFC 4511 section 4). */
async function startLdap(): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (request: Buffer) => {
      // LDAPMessage: 0x30 length 0x02 0x01 id operation; the client's messages are short enough for this.
      const short = (request[1] ?? 0) < 0x80;
      const at = short ? 2 : 2 + ((request[1] ?? 0) & 0x7f);
      const id = request[at + 2] ?? 0;
      const operation = request[at + 3];
      if (operation === 0x60) socket.write(ldapMessage(id, done(0x61)));
      if (operation === 0x63) {
        socket.write(Buffer.concat([ldapMessage(id, person()), ldapMessage(id, done(0x65))]));
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, close: () => server.close() };
}

const ber = (tag: number, ...parts: (Buffer | string)[]): Buffer => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
};
const done = (tag: number): Buffer => ber(tag, ber(0x0a, Buffer.from([0])), ber(0x04, ""), ber(0x04, ""));
const ldapMessage = (id: number, operation: Buffer): Buffer =>
  ber(0x30, ber(0x02, Buffer.from([id])), operation);
function person(): Buffer {
  const attribute = (name: string, value: string): Buffer =>
    ber(0x30, ber(0x04, name), ber(0x31, ber(0x04, value)));
  const attributes = ber(0x30, attribute("uid", "alice"), attribute("mailHost", "127.0.0.1"));
  return ber(0x64, ber(0x04, "uid=alice"), attributes);
}

describe("the daemon's process", () => {
  test("killed with a spooled message keeps it, and the next one delivers it, once", async (context) => {
    const ldap = await startLdap();
    context.after(() => ldap.close());
    const [port = 0, healthPort = 0, lmtpPort = 0] = await freePorts(3);
    const settings = {
      ...settingsFor({ port, healthPort, lmtpPort, ldapPort: ldap.port }),
      retry: { firstMs: 50 },
    };
    const first = run(settings);
    await logged(first, "daemon.ready");
    const client = await RawClient.open(port);
    await client.reply();
    await client.say("EHLO c");
    await client.say("MAIL FROM:<bob@foreign.example>");
    assert.equal(await client.say("RCPT TO:<alice@semail.test>"), "250 2.1.5");
    await client.say("DATA");
    assert.equal(await client.say("Subject: kept\r\n\r\n."), "250 2.0.0");
    first.child.kill("SIGKILL");
    await first.ended;

    const box = await listenForMail({
      listen: { host: "127.0.0.1", port: lmtpPort },
      session: { protocol: "lmtp" },
    });
    context.after(() => box.listener.close());
    const second = run(settings);
    await box.reached(1);
    await logged(second, "queue.delivered");
    second.child.kill("SIGTERM");
    assert.equal(await second.ended, 0);
    assert.deepEqual(
      box.messages.map(({ to, text }) => [to, /Subject: (.*)\r/.exec(text)?.[1]]),
      [[["alice@semail.test"], "kept"]],
    );
  });

  test("serves, is healthy, gives no TLS tickets, and ends within three seconds of SIGTERM", async () => {
    const [port = 0, healthPort = 0, ldapPort = 0] = await freePorts(3);
    const daemon = run(settingsFor({ port, healthPort, ldapPort }));
    await logged(daemon, "daemon.ready");
    assert.equal((await fetch(`http://127.0.0.1:${healthPort}/healthz`)).status, 200);
    const client = await RawClient.open(port);
    assert.equal(await client.reply(), "220");
    await client.say("STARTTLS");
    const secured = await client.secure({ ca: identity.ca, servername: "mx.semail.test" });
    assert.equal(await client.say("EHLO c"), "250");
    assert.equal(secured.getProtocol(), "TLSv1.3");
    assert.equal(secured.getTLSTicket(), undefined);
    await client.say("MAIL FROM:<bob@foreign.example>");
    // No directory listens: never 550.
    assert.equal(await client.say("RCPT TO:<alice@semail.test>"), "451 4.4.3");
    const told = performance.now();
    daemon.child.kill("SIGTERM");
    assert.equal(await daemon.ended, 0);
    assert.ok(performance.now() - told < 3_000);
    assert.equal(daemon.lines.at(-1)?.event, "daemon.stopped");
    const log = JSON.stringify(daemon.lines);
    assert.doesNotMatch(log, /SECRET|PRIVATE KEY/);
  });

  const bad: Readonly<Record<string, readonly [unknown, RegExp]>> = {
    "settings that are no JSON": ["{SECRET", /settings-\d+\.json: not valid JSON/],
    "settings with several faults": [
      { hostname: "UPPER", domains: [], surprise: 1, tls: { certificate: "x", key: "SECRET" } },
      /hostname: .*domains: .*tls\.certificate: .*tls\.key: .*relay: .*surprise/,
    ],
  };
  for (const [name, [settings, want]] of Object.entries(bad)) {
    test(`ends with one clear line for ${name}`, async () => {
      const daemon = run(settings);
      assert.equal(await daemon.ended, 1);
      assert.equal(daemon.lines.length, 1);
      const line = JSON.stringify(daemon.lines[0]);
      assert.match(line, want);
      assert.doesNotMatch(line, /SECRET/);
    });
  }

  test("says which port is taken", async (context) => {
    const blocker = createServer().listen(0, "0.0.0.0");
    context.after(() => blocker.close());
    await once(blocker, "listening");
    const [healthPort = 0] = await freePorts(1);
    const { port } = blocker.address() as { port: number };
    const daemon = run(settingsFor({ port, healthPort }));
    assert.equal(await daemon.ended, 1);
    assert.match(JSON.stringify(daemon.lines), /EADDRINUSE/);
  });
});

test("the bundle is the same bytes every time", async () => {
  const again = await bundleDaemon("mailserver/smtp-in/main.ts");
  assert.deepEqual(again, await bundleDaemon("mailserver/smtp-in/main.ts"));
});
