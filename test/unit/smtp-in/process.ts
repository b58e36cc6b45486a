/** smtp-in as the processes that its image runs, before a directory that knows one person. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
