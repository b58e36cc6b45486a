/** smtp-out in this process, between a foreign mail server and a box that are built from the engine. */
import { generateKeyPairSync } from "node:crypto";
import { createTransport } from "nodemailer";
import { SmtpOutSettings } from "../../../mailserver/contract.ts";
import type { Directory } from "../../../mailserver/directory/directory.ts";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { createItemIds } from "../../../mailserver/queue/item-id.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { type DaemonDeps, type SmtpOut, startSmtpOut } from "../../../mailserver/smtp-out/daemon.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";
import { makeIdentity, writeIdentity } from "../../support/identity.ts";
import { type Peer, type PeerOptions, startPeer } from "../../support/peer.ts";
import { QUEUE_WORKER, temporaryFolder } from "../../support/queue.ts";

export const RELAY = { user: "smtp-in", password: "relay-secret-0123456789" };
const dkim = generateKeyPairSync("rsa", { modulusLength: 2_048 });
export const DKIM_RECORD = `v=DKIM1; k=rsa; p=${dkim.publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;

export interface Stage extends AsyncDisposable {
  readonly remote: Peer;
  readonly box: Peer;
  readonly tls: Awaited<ReturnType<typeof makeIdentity>>;
  readonly queueDir: string;
  /** False: the directory can't be asked. */
  directoryUp: boolean;
  out: SmtpOut;
  /** Ends the daemon and starts it again on the same queue. */
  restart(remotePort?: number): Promise<void>;
  /** Starts the daemon again, which has ended. */
  begin(remotePort?: number): Promise<void>;
}

export interface StageOptions {
  readonly rcpt?: PeerOptions["rcpt"];
  readonly boxRcpt?: (address: string) => Decision | undefined;
  readonly zone?: Zone;
  readonly remoteTls?: boolean;
  /** The foreign server offers DSN. */
  readonly remoteDsn?: boolean;
  readonly remotePort?: number;
  readonly queueDir?: string;
  readonly log?: Log;
  readonly settings?: Partial<SmtpOutSettings>;
}

const loopback = { a: ["127.0.0.1"] };
const ZONE: Zone = {
  "one.test": { mx: [[10, "mx.one.test"]] },
  "mx.one.test": loopback,
  "two.test": loopback,
};

/** Starts all of it. */
export async function startStage(options: StageOptions = {}): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const tls = await makeIdentity("mail.semail.test");
  const files = await writeIdentity(folder.path, tls);
  const remote = stack.use(
    await startPeer({
      ...(options.rcpt ? { rcpt: options.rcpt } : {}),
      dsn: options.remoteDsn ?? false,
      ...(options.remoteTls === false ? {} : { tls: await makeIdentity("mx.one.test") }),
    }),
  );
  const box = stack.use(
    await startPeer({ protocol: "lmtp", ...(options.boxRcpt ? { rcpt: options.boxRcpt } : {}) }),
  );
  const queueDir = options.queueDir ?? folder.path;
  const state = { directoryUp: true };
  const deps = {
    ...daemonDeps(fakeDirectory(state), options.zone ?? ZONE),
    ...(options.log && { log: options.log }),
  };
  const settingsFor = (remotePort: number): SmtpOutSettings => ({
    ...SmtpOutSettings.parse({
      hostname: "mail.semail.test",
      domains: ["semail.test"],
      directory: { url: "ldap://127.0.0.1:1", bindDn: "cn=x", password: "x", peopleDn: "ou=people" },
      tls: files,
      lmtpPort: box.port,
      remotePort,
      allowTargets: ["127.0.0.0/8"],
      relay: RELAY,
      resolvers: ["127.0.0.1"],
      queueDir,
      retry: { firstMs: 50, maxMs: 200 },
      dkim: [
        {
          domain: "semail.test",
          selector: "s1",
          privateKey: dkim.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        },
      ],
    }),
    // Any free port.
    ...{ submissionPort: 0, submissionsPort: 0, relayPort: 0 },
    ...options.settings,
  });
  const stage: Stage = Object.assign(state, {
    ...{ remote, box, tls, queueDir },
    out: await startSmtpOut(settingsFor(options.remotePort ?? remote.port), deps),
    restart: async (remotePort = remote.port) => {
      await stage.out.close();
      await stage.begin(remotePort);
    },
    begin: async (remotePort = remote.port) => {
      stage.out = await startSmtpOut(settingsFor(remotePort), deps);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  });
  stack.defer(() => stage.out.close());
  return stage;
}

function daemonDeps(directory: Directory, zone: Zone): DaemonDeps {
  return {
    log: silentLog,
    clock: systemClock,
    random: Math.random,
    newId: createItemIds({ now: Date.now, tag: "00000001" }),
    queueWorker: QUEUE_WORKER,
    dns: fakeDns(zone),
    directory,
    timeouts: { connectMs: 2_000, replyMs: 2_000, messageMs: 2_000 },
    loginStepMs: 1,
  };
}

const PEOPLE = [
  { uid: "alice", addresses: ["alice@semail.test", "sales@semail.test"], version: "1" },
  { uid: "bob", addresses: ["bob@semail.test"], version: "1", forward: "bob@one.test" },
  { uid: "admin", addresses: ["postmaster@semail.test"], version: "1", forward: "admin@one.test" },
  { uid: "carol", addresses: ["carol@semail.test"], version: "1", forward: "carol@bücher.123" },
];

/** Everybody's password is their uid and `-secret`; every box is the same one. */
function fakeDirectory(state: { readonly directoryUp: boolean }): Directory {
  const check = () => {
    if (!state.directoryUp) throw new DirectoryUnavailable("down");
  };
  return {
    findRecipient: async (address) => {
      check();
      const person = PEOPLE.find(({ addresses }) => addresses.includes(address));
      if (person === undefined) return { kind: "absent" };
      const { uid, forward } = person;
      return { kind: "box", uid, host: "127.0.0.1", ...(forward === undefined ? {} : { forward }) };
    },
    authenticate: async (login, password) => {
      check();
      const person = PEOPLE.find(({ uid, addresses }) => uid === login || addresses.includes(login));
      return person !== undefined && password === `${person.uid}-secret` ? person : "refused";
    },
    whoIs: async (login) => {
      check();
      const person = PEOPLE.find(({ uid, addresses }) => uid === login || addresses.includes(login));
      return person && { uid: person.uid, entry: person.uid };
    },
    findPerson: async (uid) => {
      check();
      return PEOPLE.find((person) => person.uid === uid) ?? "absent";
    },
    ping: async () => check(),
    close: async () => {},
  };
}

/** A mail program that is set up for a person. */
export function mailer(
  stage: Stage,
  options: { user?: string; pass?: string; port?: number; auth?: boolean } = {},
) {
  const { user = "alice", pass = `${user}-secret`, port = stage.out.ports.submission, auth = true } = options;
  return createTransport({
    host: "127.0.0.1",
    port,
    secure: port === stage.out.ports.submissions,
    requireTLS: port === stage.out.ports.submission,
    ignoreTLS: port === stage.out.ports.relay,
    tls: { ca: stage.tls.ca, servername: "mail.semail.test" },
    ...(auth ? { auth: { user, pass } } : {}),
  });
}
