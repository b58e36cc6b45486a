/** smtp-in as the processes that its image runs: the bundle, a settings file, log lines. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";

const folder = mkdtempSync(join(tmpdir(), "semail-smtp-in-"));
const bundle = join(folder, "main.mjs");
const children: ChildProcess[] = [];
export let identity: Identity;

before(async () => {
  identity = await makeIdentity("mx.semail.test");
  writeFileSync(bundle, await bundleDaemon("mailserver/smtp-in/main.ts"));
});
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Ports that nobody has right now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export interface Daemon {
  readonly child: ChildProcess;
  /** What it logged so far. */
  readonly lines: Record<string, unknown>[];
  readonly ended: Promise<number | null>;
}

/** The daemon as its image runs it, from a folder without packages. */
export function run(settings: unknown): Daemon {
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

/** Waits until it has logged the event. */
export const logged = (daemon: Daemon, event: string): Promise<void> => loggedTimes(daemon, event, 1);

/** Waits until it has logged the event so many times. */
export async function loggedTimes({ child, lines }: Daemon, event: string, times: number): Promise<void> {
  while (lines.filter((line) => line.event === event).length < times) {
    if (child.exitCode !== null) assert.fail(`ended before ${event}: ${JSON.stringify(lines)}`);
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([once(child, "logged", { signal }), once(child, "exit", { signal })]);
    over.abort();
  }
}

/** Settings of a daemon whose directory does not answer, with a spool of its own. */
export function settingsFor(ports: {
  port: number;
  healthPort: number;
  ldapPort?: number;
  lmtpPort?: number;
}) {
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
export async function startLdap(): Promise<{ port: number; close(): void }> {
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
