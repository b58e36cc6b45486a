/**
 * The settings of the mail daemons: one JSON document per daemon, written by the components and read once at
 * start. This is the only file of `mailserver/` that the Pulumi side may import.
 */
import { z } from "zod";
import { healthAddress, hostname, pem, port, TlsSettings } from "./contract-fields.ts";

export { CERTIFICATES_FOLDER, CertifierSettings, SERVED_FOLDER } from "./contract-certifier.ts";
export { TlsSettings };

/** How a daemon asks the LDAP directory. `password` is a secret. */
export const DirectorySettings = z.strictObject({
  /** `ldap://host:port` */
  url: z.url({ protocol: /^ldaps?$/ }),
  bindDn: z.string().min(1),
  password: z.string().min(1),
  /** Where the people's entries are, e.g. `ou=people,dc=example,dc=org`. */
  peopleDn: z.string().min(1),
  /** Milliseconds until an unanswered look-up counts as unavailable. */
  timeoutMs: z.int().min(100).default(5_000),
});
export type DirectorySettings = z.infer<typeof DirectorySettings>;

/** Limits of one SMTP session; sizes in bytes, times in milliseconds. */
export const SessionLimits = z.strictObject({
  messageBytes: z.int().min(65_536).default(26_214_400),
  /** RFC 5321 section 4.5.3.1.8 asks for at least 100. */
  recipients: z.int().min(100).default(100),
  /** Refused commands since the last accepted message before the session is closed. */
  errors: z.int().min(3).default(20),
  /** Commands since the last accepted message before the session is closed; accepted recipients are not counted. */
  commands: z.int().min(100).default(1_000),
  /** Messages of one connection, announced as MAILMAX (RFC 9422). */
  transactions: z.int().min(1).default(10_000),
  /** RFC 5321 section 4.5.3.2.7: five minutes. */
  idleMs: z.int().min(100).default(300_000),
  sessionMs: z.int().min(1_000).default(3_600_000),
  /** A message that arrives more slowly for longer than `idleMs` is given up; 0 allows any rate. */
  bytesPerSecond: z.int().min(0).default(50),
  connections: z.int().min(1).default(500),
  /** Of one client, so that a stranger can't keep all others out. */
  connectionsPerClient: z.int().min(1).default(100),
});
export type SessionLimits = z.infer<typeof SessionLimits>;

/** Languages of what is written to people: see `courier/notices.ts`. */
export const LANGUAGES = ["en", "fr"] as const;
export type Language = (typeof LANGUAGES)[number];

const common = {
  /** Our name in greeting, EHLO and trace headers. */
  hostname,
  /** The domains whose people are ours. */
  domains: z.array(hostname).min(1),
  directory: DirectorySettings,
  tls: TlsSettings.prefault({}),
  limits: SessionLimits.prefault({}),
  /** The port on which every box speaks LMTP; the box's host comes from `mailHost` in the directory. */
  lmtpPort: port.default(24),
  /** Our certificate to the boxes, which let in front services only; without it they are spoken to in clear text. */
  boxDoor: z.strictObject({ certificate: pem, key: pem }).optional(),
  /** Where each box hands out what its person's scripts answer, with `boxDoor`; without it they answer nobody. */
  boxReplyPort: port.optional(),
  ...healthAddress,
  /** What parts a person's name from the detail of a sub-address (RFC 5233); empty: there are none. */
  tagSeparator: z
    .string()
    .regex(/^[+=_.-]?$/)
    .default("+"),
  /** From which the reverse-paths of forwarded mail are made (SRS); both daemons have the same. A secret. */
  srsSecret: z.string().min(16).optional(),
  /** Per domain: the address that gets what nobody else is known for. */
  catchAll: z.record(hostname, z.string().min(3)).default({}),
  /** Language of delivery status notifications. */
  notices: z.enum(LANGUAGES).default("en"),
};

/** When a deferred message is tried again, and when it is given up; milliseconds. */
export const RetrySettings = z.strictObject({
  firstMs: z.int().min(10).default(300_000),
  maxMs: z.int().min(10).default(14_400_000),
  giveUpMs: z.int().min(1_000).default(432_000_000),
  /** The sender is told that it takes long after this; 0: never. */
  delayMs: z.int().min(0).default(14_400_000),
});
export type RetrySettings = z.infer<typeof RetrySettings>;

/** The same for mail to our own boxes: they restart within seconds and are asked at little cost. */
export const SpoolRetrySettings = RetrySettings.extend({
  firstMs: z.int().min(10).default(1_000),
  maxMs: z.int().min(10).default(900_000),
});

/** What a daemon of ours shows smtp-out's internal listener. `password` is a secret. */
const RelayAccount = z.strictObject({ user: z.string().min(1), password: z.string().min(16) });
const RelayPeer = RelayAccount.extend({ host: hostname, port });

/** Folder of the durable queue; on a volume of its own. */
const queueDir = z.string().min(1).default("/var/spool/semail");

/** What one client address may do, and all addresses of its network (/24 of IPv4, /64 of IPv6); 0: no limit. */
const ClientQuota = z.strictObject({
  /** At the same time. */
  connections: z.int().min(0).default(0),
  connectionsPerMinute: z.int().min(0).default(0),
  recipientsPerHour: z.int().min(0).default(0),
  /** Commands answered 5xx. */
  errorsPerHour: z.int().min(0).default(0),
});

const cidr = z.union([z.cidrv4(), z.cidrv6()]);

/** What smtp-in takes from strangers before it knows what they want. */
export const ClientSettings = z.strictObject({
  address: ClientQuota.prefault({}),
  network: ClientQuota.prefault({}),
  /** Networks that no limit, delay or block list concerns. */
  exempt: z.array(cidr).default([]),
  /** Zones that list addresses of known senders of spam (RFC 5782). */
  blockLists: z.array(hostname).default([]),
  /** Milliseconds before the greeting; who speaks earlier is no mail server. */
  greetDelayMs: z.int().min(0).max(60_000).default(0),
  /** Load balancers that tell the client's address by the PROXY protocol, version 1 or 2. */
  proxies: z.array(cidr).default([]),
});
export type ClientSettings = z.infer<typeof ClientSettings>;

/** What smtp-in makes of a message whose author's domain asks to be protected (RFC 9989, DMARC). */
export const SenderSettings = z.strictObject({
  /** The domain says `reject`. `junk` marks the message for the box's Junk folder. */
  reject: z.enum(["refuse", "junk", "accept"]).default("refuse"),
  /** The domain says `quarantine`, or the message hides who wrote it. */
  quarantine: z.enum(["junk", "accept"]).default("junk"),
  /** DNS did not tell what the domain says: that is never a refusal for good. `defer` answers 451. */
  dnsFailure: z.enum(["accept", "defer"]).default("accept"),
  /** Milliseconds that all look-ups for one message may take. */
  timeoutMs: z.int().min(100).default(10_000),
});
export type SenderSettings = z.infer<typeof SenderSettings>;

/** Settings of smtp-in, the MX daemon. */
export const SmtpInSettings = z.strictObject({
  ...common,
  port: port.default(25),
  /** Processes that serve, beside the one that watches over them. */
  workers: z.int().min(1).max(16).default(1),
  /** Where forwards and notifications go: the internal listener of smtp-out. */
  relay: RelayPeer,
  /** IP addresses of the stack's resolver, `address` or `address:port`; without one, senders are not checked. */
  resolvers: z.array(z.string().min(1)).default([]),
  senders: SenderSettings.prefault({}),
  clients: ClientSettings.prefault({}),
  queueDir,
  retry: SpoolRetrySettings.prefault({}),
});
export type SmtpInSettings = z.infer<typeof SmtpInSettings>;

/** A DKIM signing key. `privateKey` is a secret. */
export const DkimSettings = z.strictObject({ domain: hostname, selector: hostname, privateKey: pem });
export type DkimSettings = z.infer<typeof DkimSettings>;

/** What one person may send through smtp-out; 0: no limit. */
export const SendingSettings = z.strictObject({
  messagesPerMinute: z.int().min(0).default(60),
  /** Days are those of UTC. */
  messagesPerDay: z.int().min(0).default(1_000),
  /** Recipients to whom the person has not written in the last 90 days. */
  newRecipientsPerDay: z.int().min(0).default(500),
  /** uids without limits. */
  exempt: z.array(z.string().min(1)).default([]),
});
export type SendingSettings = z.infer<typeof SendingSettings>;

/** Where smtp-out's login guard answers `access`, and what that shows. `secret` is one. */
const AccessSettings = z.strictObject({
  port: port.default(10026),
  address: z.union([z.ipv4(), z.ipv6()]),
  secret: z.string().min(16),
});
export type AccessSettings = z.infer<typeof AccessSettings>;

/** Settings of smtp-out, the submission and relay daemon. */
export const SmtpOutSettings = z.strictObject({
  ...common,
  /** Submission with STARTTLS (RFC 6409). */
  submissionPort: port.default(587),
  /** Submission over implicit TLS (RFC 8314). */
  submissionsPort: port.default(465),
  /** Internal listener for smtp-in's forwards; never published. */
  relayPort: port.default(10025),
  relay: RelayAccount,
  /** By which the portal logs in there: it may write to our own people, from postmaster alone. */
  portal: RelayAccount.optional(),
  /** Wrong passwords at `access` count as those here do; without it they are not known here. */
  access: AccessSettings.optional(),
  /** IP addresses of the stack's resolver, `address` or `address:port`. */
  resolvers: z.array(z.string().min(1)).min(1),
  /**
   * Other names of ours that stand in MX records: such a host is never sent to (RFC 5321 section 5.1), and no person may say
   * in its name what it found of a sender (RFC 8601 section 5).
   */
  ownNames: z.array(hostname).default([]),
  /** Port of foreign MX hosts; 25 outside tests. */
  remotePort: port.default(25),
  /** Networks to which mail is sent although they are not public; to all others that are not it never is. */
  allowTargets: z.array(cidr).default([]),
  /** Domains whose DANE records and MTA-STS policy are not heeded. */
  tlsExempt: z.array(hostname).default([]),
  /** Domains that ask for it are told once a day how their DANE and MTA-STS fared (RFC 8460). */
  tlsReports: z.boolean().default(true),
  /** The Received field of what people send tells their address and the name of their machine. */
  showClient: z.boolean().default(false),
  /** Limits of each person. */
  sending: SendingSettings.prefault({}),
  queueDir,
  retry: RetrySettings.prefault({}),
  dkim: z.array(DkimSettings).default([]),
});
export type SmtpOutSettings = z.infer<typeof SmtpOutSettings>;

/** Where people's mail programs connect. */
const MailServers = z.strictObject({
  imap: z.strictObject({ host: hostname, imaps: port, starttls: port }),
  smtp: z.strictObject({ host: hostname, submissions: port, starttls: port }),
  /** Port for mail filters, on the IMAP host. */
  sieve: port,
});

/** Settings of the portal, where people look after their own mailbox. */
export const PortalSettings = z.strictObject({
  domains: common.domains,
  /** The names of our hosts that MX records may point to. */
  mxHosts: z.array(hostname).min(1),
  servers: MailServers,
  directory: DirectorySettings,
  tls: common.tls,
  port: port.default(8443),
  ...healthAddress,
  /** IP addresses of the stack's resolver, `address` or `address:port`. */
  resolvers: z.array(z.string().min(1)).min(1),
  /** Where test mails go: the internal listener of smtp-out. */
  relay: RelayPeer,
  /** Folder on a volume of its own: who typed wrong passwords. */
  stateDir: z.string().min(1).default("/var/lib/semail-portal"),
  operatorSocket: z.string().min(1).default("/run/semail/operator/operator.sock"),
  /** The text of `/.well-known/mta-sts.txt` at `mta-sts.<domain>` (RFC 8461), by domain. */
  mtaStsPolicies: z.record(z.string(), z.string()).default({}),
  session: z
    .strictObject({
      /** Milliseconds without a request after which a person must sign in again. */
      idleMs: z.int().min(1_000).default(1_800_000),
      /** The same, however busy they are. */
      absoluteMs: z.int().min(1_000).default(43_200_000),
      /** Milliseconds after which the cookie gets another value. */
      rotateMs: z.int().min(1_000).default(600_000),
    })
    .prefault({}),
});
export type PortalSettings = z.infer<typeof PortalSettings>;

/** Where every daemon finds its settings inside its container. */
export const SETTINGS_FILE = "/settings/settings.json";

/** Where snapshots of the boxes go. `password`, which encrypts them, and `secretKey` are secrets. */
export const BackupSettings = z.strictObject({
  /** As restic names it: a folder, or `s3:https://host/bucket`. */
  repository: z.string().min(1),
  password: z.string().min(1),
  s3: z.strictObject({ keyId: z.string().min(1), secretKey: z.string().min(1) }).optional(),
  /** How many snapshots of a box are kept: of the latest, and of one a day, a week, a month. */
  keep: z.strictObject({
    last: z.int().min(0),
    daily: z.int().min(0),
    weekly: z.int().min(0),
    monthly: z.int().min(0),
  }),
});
export type BackupSettings = z.infer<typeof BackupSettings>;
