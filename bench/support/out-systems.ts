/** smtp-out and the mail systems it is measured beside, each told by as little as possible where mail goes. */
import { argon2Sync, generateKeyPairSync, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FILE } from "../../mailserver/queue/database.ts";
import { PEOPLE } from "../../test/integration/images/images.ts";
import type { Handle, Lab } from "../../test/support/docker.ts";
import type { MailSite } from "../../test/support/mail-site.ts";
import { folderOf } from "./file-system.ts";
import type { Target } from "./load.ts";
import { listens } from "./receivers.ts";
import { type Usage, usageOf } from "./usage.ts";

/** What is measured, running. */
export interface System {
  readonly name: string;
  /** Takes mail from this machine without a password, where there is such a thing. */
  readonly plain: Target;
  /** Takes mail from who has logged in, over TLS. */
  readonly secure: Target;
  /** Messages in its queue. */
  queued(): number;
  usage(): Usage;
  stop(): Promise<void>;
}

/** What every system needs to know. */
export interface Place {
  readonly site: MailSite;
  readonly ports: readonly [plain: number, secure: number, spare: number, health: number];
  /** The port to which all mail goes. */
  readonly receiver: number;
}

export const PERSON = { user: "alice", password: "bench-password" };
export const ADDRESS = "alice@semail.test";
const RELAY = { user: "smtp-in", password: "relay-password-0123" };

const dkim = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const KEY = {
  domain: "semail.test",
  selector: "s1",
  privateKey: dkim.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
};

/**
 * The person in the directory, whose password is stored as the cheapest Argon2 there is: the peers have theirs in a file,
 * and a hash that takes its time would be all that is measured.
 */
export async function addSender({ administer }: MailSite): Promise<void> {
  const cost = { memory: 8, passes: 1, parallelism: 1 };
  const nonce = randomBytes(16);
  const tag = argon2Sync("argon2id", { message: PERSON.password, nonce, tagLength: 32, ...cost });
  const [salt, hash] = [nonce, tag].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
  const { user } = PERSON;
  await administer((admin) =>
    admin.add(`uid=${user},${PEOPLE}`, {
      objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
      ...{ uid: user, cn: user, sn: user, mailHost: "127.0.0.1", mailLocalAddress: ADDRESS },
      userPassword: `{ARGON2}$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${salt}$${hash}`,
    }),
  );
}

export interface OursOptions {
  readonly name: string;
  readonly signs: boolean;
  /** Port of the DNS server that knows the receiver. */
  readonly dns: number;
  readonly queueDir: string;
}

/** smtp-out as its container runs it. Without a password it takes nothing: the load logs in as smtp-in does. */
export async function startOurs(
  { site, ports, receiver }: Place,
  { name, signs, dns, queueDir }: OursOptions,
): Promise<System> {
  const [relayPort, submissionsPort, submissionPort, healthPort] = ports;
  const directory = {
    ...(site.settings.directory as object),
    url: `ldap://${await site.directory.ip()}:389`,
  };
  const daemon = await site.start("mailserver/smtp-out/main.ts", {
    ...site.settings,
    directory,
    ...{ hostname: "mail.semail.test", submissionPort, submissionsPort, relayPort, healthPort },
    ...{ remotePort: receiver, allowTargets: ["127.0.0.0/8"], resolvers: [`127.0.0.1:${dns}`] },
    relay: RELAY,
    queueDir: join(site.folder, queueDir),
    // Counted, but without an end.
    sending: { messagesPerMinute: 0, messagesPerDay: 0, newRecipientsPerDay: 0 },
    dkim: signs ? [KEY] : [],
  });
  const { pid = 0 } = daemon.child;
  const db = new DatabaseSync(join(site.folder, queueDir, FILE), { readOnly: true });
  const count = db.prepare("SELECT items FROM total");
  return {
    name,
    queued: () => Number(count.get()?.items),
    plain: { port: relayPort, secure: false, login: RELAY },
    secure: { port: submissionsPort, secure: true, login: PERSON },
    usage: () => usageOf(pid),
    stop: async () => {
      db.close();
      await daemon.kill();
    },
  };
}

/** What Postfix is told beyond its defaults, to be at its best here. */
export const POSTFIX_TUNING = {
  compatibility_level: "3.6",
  default_process_limit: "100",
  smtpd_client_connection_rate_limit: "0",
  smtpd_client_connection_count_limit: "0",
  smtpd_peername_lookup: "no",
  in_flow_delay: "0",
} as const;

/** The machine's own network: nothing between a program in the container and one on the machine. */
export const HOST_NETWORK = { host: [] };

/** Postfix with every session of a user's password in a file; its queue is on a volume, on the same file system as ours. */
export async function startPostfix({ site, ports, receiver }: Place, image: string): Promise<System> {
  const [plain, secure] = ports;
  const settings: Record<string, string> = {
    ...POSTFIX_TUNING,
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    myhostname: "peer.semail.test",
    mydestination: "",
    mynetworks: "127.0.0.0/8",
    maillog_file: "/dev/stdout",
    alias_maps: "",
    local_recipient_maps: "",
    cyrus_sasl_config_path: "/etc/postfix/sasl",
    relayhost: `[127.0.0.1]:${receiver}`,
    smtpd_relay_restrictions: "permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination",
    smtpd_sasl_local_domain: "peer.semail.test",
    smtpd_tls_chain_files: "/tmp/tls.pem",
  };
  const { key, certificate } = site.identity;
  const script = [
    "set -e",
    // Debian's package leaves none when it isn't asked to configure anything.
    ": >/etc/postfix/main.cf",
    `printf %s '${key}${certificate}' >/tmp/tls.pem`,
    "printf 'pwcheck_method: auxprop\\nauxprop_plugin: sasldb\\nmech_list: PLAIN\\n' >/etc/postfix/sasl/smtpd.conf",
    `printf %s '${PERSON.password}' | saslpasswd2 -p -c -u peer.semail.test ${PERSON.user}`,
    "chown postfix /etc/sasldb2",
    ...Object.entries(settings).map(([name, value]) => `postconf -e '${name}=${value}'`),
    "postconf -F '*/*/chroot=n'",
    `postconf -M '${plain}/inet=${plain} inet n - n - - smtpd'`,
    `postconf -M '${secure}/inet=${secure} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes'`,
    "postconf -MX smtp/inet",
    "exec postfix start-fg",
  ].join("\n");
  const volume = await site.lab.volume();
  const volumes = { "/var/spool/postfix": volume };
  const entrypoint = ["/bin/bash", "-c", script];
  const handle = await site.lab.run({ image, entrypoint, networks: HOST_NETWORK, volumes });
  await Promise.all([listens(plain), listens(secure)]).catch(async (error: unknown) => {
    throw new Error(`Postfix does not start: ${await handle.logs()}`, { cause: error });
  });
  const pid = await pidOf(site.lab, handle);
  const spool = await folderOf(site.lab, volume);
  return {
    name: "postfix",
    queued: () => countFiles(["maildrop", "incoming", "active", "deferred"].map((name) => join(spool, name))),
    plain: { port: plain, secure: false },
    secure: { port: secure, secure: true, login: PERSON },
    usage: () => usageOf(pid),
    stop: () => handle.remove(),
  };
}

/** Files in the folders, whatever folders they have made inside (`hash_queue_depth`). */
export function countFiles(folders: readonly string[]): number {
  return folders
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile()).length;
}

async function pidOf({ docker }: Lab, { id }: Handle): Promise<number> {
  return (await docker.getContainer(id).inspect()).State.Pid;
}
