/** smtp-in over loopback, between clients, boxes and a relay that tests script. Closes everything after the file's tests. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { SenderSettings, SmtpInSettings } from "../../../mailserver/contract.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { type DaemonDeps, type SmtpIn, startSmtpIn } from "../../../mailserver/smtp-in/daemon.ts";
import { type Identity, makeIdentity, writeIdentity } from "../../support/identity.ts";
import { type Inbox, listenForMail } from "../../support/mail-listener.ts";
import { QUEUE_WORKER, temporaryFolder } from "../../support/queue.ts";
import { RawClient } from "../../support/raw-client.ts";
import { zoneQuery } from "../../support/zone.ts";

const SECRET = "relay-password-0123";
/** What is said to one recipient and to the message. */
export const ACCEPTED = ["250 2.1.5", "250 2.0.0"];
/** Does not wait long for a DNS that says nothing. */
export const IMPATIENT = SenderSettings.parse({ timeoutMs: 200 });
const open: { close(): unknown }[] = [];
let identity: Promise<Identity> | undefined;
after(async () => {
  // The last opened first: a spool's folder goes after its daemon.
  for (const thing of open.reverse()) await thing.close();
});

/** A folder for a spool, removed at the end. */
export async function spoolFolder(): Promise<string> {
  const folder = await temporaryFolder();
  keep({ close: () => folder[Symbol.asyncDispose]() });
  return folder.path;
}

let items = 0;

/** The identity of every daemon of this run. */
export function ownIdentity(): Promise<Identity> {
  identity ??= makeIdentity("mx.semail.test");
  return identity;
}

let files: Promise<SmtpInSettings["tls"]> | undefined;

/** The same as files. */
function identityFiles(): Promise<SmtpInSettings["tls"]> {
  files ??= spoolFolder().then(async (folder) => writeIdentity(folder, await ownIdentity()));
  return files;
}

const keep = <T extends { close(): unknown }>(thing: T): T => {
  open.push(thing);
  return thing;
};

/** A box: our own engine in LMTP. */
export async function box(
  message?: (text: string) => Decision | Promise<Decision>,
  port = 0,
  host = "127.0.0.1",
): Promise<Inbox> {
  const made = await listenForMail({
    listen: { host, port },
    session: { protocol: "lmtp" },
    policy: message ? { message: ({ text }) => message(text) } : {},
  });
  keep(made.listener);
  return made;
}

/** smtp-out's relay listener. */
export async function relay(policy: Parameters<typeof listenForMail>[0] = {}): Promise<Inbox> {
  const made = await listenForMail({
    session: { auth: "always", authRequired: true },
    ...policy,
    policy: {
      auth: ({ user, password }) =>
        user === "smtp-in" && password === SECRET
          ? { kind: "authenticated", user }
          : { kind: "refuse", reply: replies.authFailed },
      ...policy.policy,
    },
  });
  keep(made.listener);
  return made;
}

const PEOPLE: Readonly<Record<string, RecipientAnswer>> = {
  "alice@semail.test": { kind: "box", uid: "alice", host: "127.0.0.1" },
  "postmaster@semail.test": { kind: "box", uid: "alice", host: "127.0.0.1" },
  "alice+exact@semail.test": { kind: "box", uid: "exact", host: "127.0.0.1" },
  "a@b@semail.test": { kind: "box", uid: "alice", host: "127.0.0.1" },
  "carol@semail.test": { kind: "box", uid: "carol", host: "127.0.0.1" },
  "dora@semail.test": { kind: "box", uid: "dora", host: "127.0.0.2" },
  "erin@semail.test": { kind: "box", uid: "erin", host: "127.0.0.3" },
  "gus@semail.test": { kind: "box", uid: "gus", host: "127.0.0.1", forward: "no address" },
  "hugo@semail.test": { kind: "box", uid: "hugo", host: "127.0.0.1", forward: "hugo@bücher.123" },
  "jan@semail.test": { kind: "box", uid: "jan", host: "127.0.0.1", forward: "jörg@foreign.example" },
  "fred@semail.test": { kind: "box", uid: "fred", host: "127.0.0.1", forward: "frank@foreign.example" },
  "frank@semail.test": { kind: "box", uid: "frank", host: "127.0.0.1", forward: "frank@foreign.example" },
};

const directory = {
  findRecipient: async (address: string): Promise<RecipientAnswer> => {
    if (address === "down@semail.test") throw new DirectoryUnavailable("no answer");
    return PEOPLE[address] ?? { kind: "absent" };
  },
  close: async () => {},
};

/** DNS in which the domains that these tests send from vouch for this machine. */
export const vouching = zoneQuery({
  "foreign.example": "v=spf1 ip4:127.0.0.1 -all",
  "other.example": "v=spf1 ip4:127.0.0.1 -all",
});

interface Peers {
  readonly lmtpPort: number;
  readonly relayPort?: number;
  readonly messageBytes?: number;
  readonly queueDir?: string;
  readonly settings?: Partial<SmtpInSettings>;
  readonly deps?: Partial<DaemonDeps>;
}

/** A whole smtp-in on loopback. */
export async function start({
  lmtpPort,
  relayPort = 1,
  messageBytes = 100_000,
  queueDir,
  settings: more,
  deps,
}: Peers): Promise<SmtpIn> {
  const settings = SmtpInSettings.parse({
    hostname: "mx.semail.test",
    domains: ["semail.test", "second.test"],
    directory: { url: "ldap://127.0.0.1:1", bindDn: "cn=x", password: "x", peopleDn: "ou=people" },
    tls: await identityFiles(),
    lmtpPort,
    limits: { messageBytes },
    relay: { host: "127.0.0.1", port: relayPort, user: "smtp-in", password: SECRET },
    queueDir: queueDir ?? (await spoolFolder()),
    retry: { firstMs: 50, maxMs: 200 },
  });
  const daemon = await startSmtpIn(
    // Port 0 is no setting that a person may choose.
    { ...settings, port: 0, ...more },
    {
      log: silentLog,
      clock: systemClock,
      random: Math.random,
      newId: () => `item-${items++}`,
      queueWorker: QUEUE_WORKER,
      directory,
      graceMs: 300,
      ...deps,
    },
  );
  return keep(daemon);
}

/** A client after its EHLO. */
export async function session(daemon: SmtpIn): Promise<RawClient> {
  const client = keep(await RawClient.open(daemon.port));
  assert.equal(await client.reply(), "220");
  assert.equal(await client.say("EHLO client.example"), "250");
  return client;
}

/** One message; the replies to RCPT, then the one to the message. */
export async function send(
  client: RawClient,
  to: readonly string[],
  text = "Subject: x\r\n\r\nhi\r\n",
  from = "bob@foreign.example",
): Promise<string[]> {
  await client.say(`MAIL FROM:<${from}>`);
  const found: string[] = [];
  for (const address of to) found.push(await client.say(`RCPT TO:<${address}>`));
  if (!found.includes("250 2.1.5")) return [...found, await client.say("RSET")].slice(0, -1);
  assert.equal(await client.say("DATA"), "354");
  client.write(`${text}.\r\n`);
  return [...found, await client.reply()];
}
