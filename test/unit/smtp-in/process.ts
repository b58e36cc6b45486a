/** smtp-in as the processes that its image runs, before a directory that knows one person. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { type Daemon, killGroup, spawnDaemon } from "../../support/daemon-process.ts";
import { type Identity, makeIdentity, writeIdentity } from "../../support/identity.ts";

const folder = mkdtempSync(join(tmpdir(), "semail-smtp-in-"));
const bundle = join(folder, "main.mjs");
const daemons: Daemon[] = [];
export let identity: Identity;
/** The files that every daemon of this run has its certificate from. */
export let tls: Awaited<ReturnType<typeof writeIdentity>>;

before(async () => {
  identity = await makeIdentity("mx.semail.test");
  tls = await writeIdentity(folder, identity);
  writeFileSync(bundle, await bundleDaemon("mailserver/smtp-in/main.ts"));
});
after(() => {
  for (const { child } of daemons) killGroup(child);
  rmSync(folder, { recursive: true });
});

/** smtp-in with these settings, killed at the end of the file's tests. */
export function run(settings: unknown): Daemon {
  const file = join(folder, `settings-${daemons.length}.json`);
  writeFileSync(file, typeof settings === "string" ? settings : JSON.stringify(settings));
  const daemon = spawnDaemon(bundle, file, folder);
  daemons.push(daemon);
  return daemon;
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
    tls,
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
