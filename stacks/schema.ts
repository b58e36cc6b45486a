/**
 * The schema of the stack config (`semail:*` in `Pulumi.<stack>.yaml`). `docs/configuration.md` is generated
 * from it, so every key carries its description and default here.
 */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { LANGUAGES } from "../mailserver/contract.ts";
import { isAddress, isDomain } from "./address.ts";
import { parseSize } from "./size.ts";

const UID = /^(?!.*[.-]{2})[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?$/;

/** Whether clear text is good enough for the token is for `@pulumi/gandi` to say, which sends it nowhere else. */
const HTTP_URL = /^https?:\/\/[^@\s]+$/;

const lower = z.string().trim().toLowerCase();
const domain = lower.refine(isDomain, "must be a domain name such as example.org");
const address = lower.refine(isAddress, "must be a mail address such as alice@example.org, without `+`");
const ipv4 = z.string().refine(isIPv4, "must be an IPv4 address");
const port = z.int("must be a port from 1 to 65535").min(1).max(65_535);

function size(minimum: string) {
  const least = parseSize(minimum) ?? 0;
  return z
    .string()
    .refine(
      (text) => (parseSize(text) ?? 0) >= least,
      `must be a size of ${minimum} or more, such as 500MB or 1GB`,
    );
}

/** A uid that LDAP, a container name and a host name can all carry. */
export const Uid = z
  .string()
  .regex(
    UID,
    "must be 1 to 32 of a-z, 0-9, `.` and `-`, beginning and ending with a letter or digit, no two signs in a row",
  );

export const User = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(128)
    .regex(/^\P{Cc}*$/u, "must be one line of text")
    .describe("The person's full name."),
  addresses: z
    .array(address)
    .min(1)
    .optional()
    .describe("Addresses of the person, the first one being the main one. Default: `<uid>@<domain>`."),
  aliases: z.array(address).default([]).describe("More addresses that arrive in this mailbox."),
  quota: size("1MB").optional().describe("Space for the person's mail. Default: `defaults.quota`."),
  memory: size("16MB")
    .optional()
    .describe("Memory limit of the person's container. Default: `defaults.memory`."),
  forward: address.optional().describe("A copy of all mail also goes to this address."),
});

export const Host = z.strictObject({
  kind: z
    .literal("local")
    .default("local")
    .describe("`local`: the Docker engine that `docker` on this machine talks to."),
  bind: ipv4
    .default("127.0.0.1")
    .describe(
      "The address on which ports are published. `127.0.0.1` keeps the system private to the machine.",
    ),
  address: ipv4
    .optional()
    .describe(
      "The public address of the host, for the DNS records. Default: the containers' own addresses, for use on one machine.",
    ),
});

export const Dns = z.strictObject({
  provider: z
    .enum(["dev", "gandi", "none"])
    .default("none")
    .describe(
      "Who serves the zone. `dev`: a LiveDNS-compatible server in the stack; `gandi`: Gandi LiveDNS, with the secret `semail:gandiToken`; `none`: records are only shown as a stack output.",
    ),
  apiUrl: z
    .url()
    .regex(HTTP_URL, "must be an https:// URL without a password in it")
    .default("https://api.gandi.net/v5/livedns")
    .describe("Base URL of the LiveDNS API, for `gandi`."),
  ttl: z.int().min(300).max(2_592_000).default(10_800).describe("Time to live of the records, in seconds."),
  adoptExisting: z
    .boolean()
    .default(false)
    .describe(
      "Take over records of the same name and type that are in the zone already, instead of refusing.",
    ),
});

export const Ports = z.strictObject({
  smtp: port.default(25).describe("smtp-in: mail from other servers."),
  submission: port.default(587).describe("smtp-out: submission with STARTTLS."),
  submissions: port.default(465).describe("smtp-out: submission over TLS."),
  imap: port.default(143).describe("access: IMAP with STARTTLS."),
  imaps: port.default(993).describe("access: IMAP over TLS."),
  sieve: port.default(4190).describe("access: ManageSieve with STARTTLS."),
  ldap: port.default(3890).describe("directory, always on 127.0.0.1: Pulumi writes the entries through it."),
  dnsApi: port.default(8053).describe("livedns, always on 127.0.0.1: the API of the `dev` DNS provider."),
});

const limit = z.int().min(0).default(0);

/** 0 stands for no limit. */
const ClientQuota = z.strictObject({
  connections: limit.describe("Connections at the same time; `0`: no limit."),
  connectionsPerMinute: limit.describe("New connections in a minute; `0`: no limit."),
  recipientsPerHour: limit.describe("Accepted recipients in an hour; `0`: no limit."),
  errorsPerHour: limit.describe("Commands refused for good in an hour; `0`: no limit."),
});

const network = z.union([z.cidrv4(), z.cidrv6()], "must be a network such as 192.0.2.0/24 or 2001:db8::/32");

export const Clients = z.strictObject({
  address: ClientQuota.prefault({}).describe("What one client address may do."),
  network: ClientQuota.prefault({}).describe(
    "What the addresses of one network (/24 of IPv4, /64 of IPv6) may do together.",
  ),
  exempt: z.array(network).default([]).describe("Networks that no limit, delay or block list concerns."),
  blockLists: z
    .array(domain)
    .default([])
    .describe("DNS block lists. Listed clients reach `postmaster@` and `abuse@` only."),
  greetDelayMs: z
    .int()
    .min(0)
    .max(60_000)
    .default(0)
    .describe("Milliseconds before the greeting; a client that speaks earlier is turned away."),
  proxies: z
    .array(network)
    .default([])
    .describe("Load balancers in front of smtp-in that speak the PROXY protocol, version 1 or 2."),
});

export const SmtpIn = z.strictObject({
  workers: z
    .int()
    .min(1)
    .max(16)
    .default(2)
    .describe(
      "Processes that receive mail at the same time; one per core of the host at most. 320 MiB each.",
    ),
  tagSeparator: z
    .string()
    .regex(/^[+=_.-]?$/, "must be one of `+`, `=`, `_`, `.`, `-`, or empty")
    .default("+")
    .describe(
      "What parts name and detail: with `+`, `alice+shop@` is alice's. Empty: such addresses are unknown.",
    ),
  catchAll: z
    .string()
    .optional()
    .describe("uid of the person who gets mail to addresses that nobody has. Default: it is refused."),
  dmarcReject: z
    .enum(["refuse", "junk", "accept"])
    .default("refuse")
    .describe("Mail that fails DMARC where the author's domain asks to reject it."),
  dmarcQuarantine: z
    .enum(["junk", "accept"])
    .default("junk")
    .describe(
      "Mail that fails DMARC where the author's domain asks for quarantine: to Junk, or as other mail.",
    ),
  dnsFailure: z
    .enum(["accept", "defer"])
    .default("accept")
    .describe(
      "Mail whose author's policy can't be known since DNS does not answer. `defer`: the sender's server shall try again, as it must in any case where the author's domain asks to reject.",
    ),
  clients: Clients.prefault({}).describe("Limits per client; all are off unless set."),
});

const sending = (value: number) => z.int().min(0).default(value);

/** 0 stands for no limit. */
export const SendingLimits = z.strictObject({
  messagesPerMinute: sending(60).describe("Messages of a person in a minute; `0`: no limit."),
  messagesPerDay: sending(1_000).describe("Messages of a person on a day (UTC); `0`: no limit."),
  newRecipientsPerDay: sending(500).describe(
    "Recipients on a day to whom the person has not written in the last 90 days; `0`: no limit.",
  ),
  exempt: z.array(Uid).default([]).describe("uids of people without limits."),
});

export const SmtpOut = z.strictObject({
  limits: SendingLimits.prefault({}).describe(
    "What one person may send, so that a stolen password is no flood. `postmaster@` is told once a day of each who reaches a limit.",
  ),
  notices: z
    .enum(LANGUAGES)
    .default("en")
    .describe("Language in which senders are told what became of their mail: `en` or `fr`."),
  allowTargets: z
    .array(network)
    .default([])
    .describe(
      "Networks that are not public and to which mail may be sent all the same, such as `192.168.7.0/24` of another mail server. Mail to an address in any other private or reserved network is refused. With `dns.provider: dev`, the stack's own network of services is added.",
    ),
});

const imageTag = z.string().min(1).optional();

export const Images = z.strictObject({
  base: z
    .string()
    .min(1)
    .default("debian:trixie-slim")
    .describe("The image that all others build on: Debian 13."),
  directory: imageTag.describe("Run this image (`name:tag`, present on the host) instead of building it."),
  box: imageTag.describe("As `directory`, for the people's boxes."),
  access: imageTag.describe("As `directory`."),
  resolver: imageTag.describe("As `directory`."),
  smtpIn: imageTag.describe("As `directory`."),
  smtpOut: imageTag.describe("As `directory`."),
  livedns: imageTag.describe("As `directory`."),
});

export const Defaults = z.strictObject({
  quota: size("1MB").default("1GB").describe("Space for a person's mail."),
  memory: size("16MB").default("64MB").describe("Memory limit of a person's container."),
});

export const StackConfig = z.strictObject({
  domain: domain.describe("The mail domain."),
  users: z
    .record(z.string(), User)
    .default({})
    .describe("The people, by uid. The uid is the login name and names the container."),
  postmaster: z
    .string()
    .optional()
    .describe(
      "uid of the person who gets mail to `postmaster@` and `abuse@`. Default: the first of `users` by alphabet.",
    ),
  host: Host.prefault({}).describe("The machine that carries the mail system."),
  dns: Dns.prefault({}).describe("Where the domain's records are kept."),
  ports: Ports.prefault({}).describe("The host's ports. Stacks on one host need ports of their own."),
  network: z
    .string()
    .regex(/^10\.\d{1,3}\.0\.0\/16$/, "must be a network of the form 10.x.0.0/16")
    .refine((text) => isIPv4(text.slice(0, -3)), "must be a network of the form 10.x.0.0/16")
    .optional()
    .describe(
      "Private network of the stack's containers. Default: `10.x.0.0/16` with x from 64 to 191, derived from the stack's name.",
    ),
  defaults: Defaults.prefault({}).describe("What a person has whose entry doesn't say otherwise."),
  smtpIn: SmtpIn.prefault({}).describe("How mail from other servers is received."),
  smtpOut: SmtpOut.prefault({}).describe("How mail is sent to other servers."),
  images: Images.prefault({}).describe("Versions of the container images."),
  protect: z
    .boolean()
    .default(true)
    .describe("Refuse to delete mail volumes, the directory's data and keys, until this is `false`."),
  keepVolumes: z
    .boolean()
    .default(true)
    .describe("Leave mail and queue volumes on the host when they go from the stack."),
  showPasswords: z
    .boolean()
    .default(false)
    .describe("Print the people's initial passwords after `npm run up`. For development."),
});

export type StackConfig = z.output<typeof StackConfig>;
export type UserConfig = z.output<typeof User>;
