/**
 * The schema of the stack config (`semail:*` in `Pulumi.<stack>.yaml`). `docs/configuration.md` is generated
 * from it, so every key carries its description and default here.
 */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { Backup } from "./schema-backup.ts";
import { Boxes } from "./schema-boxes.ts";
import { Certificates } from "./schema-certificates.ts";
import { Dns } from "./schema-dns.ts";
import { address, day, domain, forward, port, size } from "./schema-fields.ts";
import { Host } from "./schema-host.ts";
import { SmtpIn, SmtpOut } from "./schema-smtp.ts";

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
  forward: forward.optional().describe("A copy of all mail also goes to this address."),
  state: z
    .enum(["active", "none", "deleted"])
    .default("active")
    .describe(
      "`none`: in the directory, without a mailbox. `deleted`: no address and no container, but the mail is kept for `retention` and the addresses stay reserved, until the person is taken out of the config.",
    ),
  deletedOn: day
    .optional()
    .describe("The day on which a person with `state: deleted` gave up their mailbox."),
  restore: z
    .boolean()
    .default(false)
    .describe(
      "Whoever is back under a uid whose mail is still kept (`retention`) is the same person, and has it again.",
    ),
  mailbox: z
    .int()
    .min(1)
    .max(9_999)
    .default(1)
    .describe(
      "Number of the mailbox under this uid. Count it up to give the uid of somebody whose mail is kept to another person: theirs begins empty.",
    ),
  reuse: z
    .boolean()
    .default(false)
    .describe("May have addresses that were those of somebody whose mail is still kept."),
});

export const Ports = z.strictObject({
  smtp: port.default(25).describe("smtp-in: mail from other servers."),
  submission: port.default(587).describe("smtp-out: submission with STARTTLS."),
  submissions: port.default(465).describe("smtp-out: submission over TLS."),
  imap: port.default(143).describe("access: IMAP with STARTTLS."),
  imaps: port.default(993).describe("access: IMAP over TLS."),
  pop3s: port.default(995).describe("access: POP3 over TLS, with `boxes.pop3`."),
  sieve: port.default(4190).describe("access: ManageSieve with STARTTLS."),
  ldap: port
    .default(3890)
    .describe(
      "directory, always on 127.0.0.1: Pulumi writes the entries through it. Of a remote host, on 127.0.0.1 of this machine too.",
    ),
  dnsApi: port.default(8053).describe("livedns, always on 127.0.0.1: the API of the `dev` DNS provider."),
});

const imageTag = z.string().min(1).optional();

export const Images = z.strictObject({
  base: z
    .string()
    .min(1)
    .default("debian:trixie-slim")
    .describe("The image that all others build on: Debian 13."),
  edition: z
    .string()
    .max(64)
    .default("")
    .describe(
      "Any text, such as the day. Another one makes all images anew, with Debian's packages of today, and replaces the containers.",
    ),
  directory: imageTag.describe("Run this image (`name:tag`, present on the host) instead of building it."),
  box: imageTag.describe("As `directory`, for the people's boxes."),
  access: imageTag.describe("As `directory`."),
  guard: imageTag.describe("As `directory`."),
  resolver: imageTag.describe("As `directory`."),
  smtpIn: imageTag.describe("As `directory`."),
  smtpOut: imageTag.describe("As `directory`."),
  livedns: imageTag.describe("As `directory`."),
  backup: imageTag.describe("As `directory`."),
  certifier: imageTag.describe("As `directory`."),
});

export const Portal = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe("Run the portal, where people look after their own mailbox, and the operator behind it."),
  port: port.default(8443).describe("The portal's HTTPS port on the host."),
  aliasLimit: z.int().min(0).max(100).default(5).describe("How many aliases a person may give themselves."),
  approval: z
    .boolean()
    .default(false)
    .describe("People's requests become a git branch to merge, and leave the stack alone."),
});

export const Defaults = z.strictObject({
  quota: size("1MB").default("1GB").describe("Space for a person's mail."),
  memory: size("16MB").default("64MB").describe("Memory limit of a person's container."),
  cpus: z
    .number()
    .min(0.1)
    .max(64)
    .default(1)
    .describe(
      "CPUs that a person's container may use at most, such as `0.5`. No more than the host has: an update is refused before it changes anything.",
    ),
});

export const Dkim = z.strictObject({
  ed25519: z
    .boolean()
    .default(false)
    .describe(
      "Sign with an Ed25519 key (RFC 8463) as well. Its record is `semail1-ed25519._domainkey`; receivers that don't know the kind go by the other signature.",
    ),
  rotate: z
    .int()
    .min(1)
    .max(9_999)
    .default(1)
    .describe(
      "Number of the key that signs. Count it up for a new key: `semail2._domainkey` is published beside `semail1._domainkey`, and signs once every name server was seen to have it.",
    ),
  keepDays: z
    .int()
    .min(1)
    .max(365)
    .default(7)
    .describe(
      "Days for which the record of a key that signs no more stays, for mail that is still on its way. The next update after that removes it.",
    ),
  patience: z
    .int()
    .min(0)
    .max(86_400)
    .default(600)
    .describe(
      "Seconds that an update waits for a new key's record to be seen on every name server of the domain, before `smtp-out` signs with it; `0`: it is not looked for.",
    ),
});

export const StackConfig = z.strictObject({
  domain: domain.describe("The mail domain."),
  domains: z
    .array(domain)
    .default([])
    .describe(
      "More domains that the same host serves. People may have addresses in them; each has its own records.",
    ),
  leaving: z
    .array(domain)
    .default([])
    .describe(
      "Those of `domains` that are given up: their MX record goes, and their mail is still taken. When senders have forgotten the record, they go from both lists.",
    ),
  users: z
    .record(z.string(), User)
    .default({})
    .describe("The people, by uid. The uid is the login name and names the container."),
  postmaster: z
    .string()
    .optional()
    .describe(
      "uid of the person who gets mail to `postmaster@` and `abuse@`. Default: the first of `users` with a mailbox, by alphabet.",
    ),
  host: Host.prefault({}).describe("The machine that carries the mail system."),
  dns: Dns.prefault({}).describe("Where the domain's records are kept."),
  certificates: Certificates.prefault({}).describe("The certificate that the services show."),
  dkim: Dkim.prefault({}).describe(
    "How the domains' mail is signed: by an RSA-2048 key, which every receiver knows.",
  ),
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
  boxes: Boxes.prefault({}).describe("How the people's containers are run."),
  smtpIn: SmtpIn.prefault({}).describe("How mail from other servers is received."),
  smtpOut: SmtpOut.prefault({}).describe("How mail is sent to other servers."),
  portal: Portal.prefault({}).describe("Where people look after their own mailbox."),
  backup: Backup.prefault({}).describe("Snapshots of the people's mail."),
  retention: z
    .int("must be a whole number of days")
    .min(0)
    .max(3_650)
    .default(30)
    .describe(
      "Days for which the mail of a mailbox that is given up is kept, and can be had again. The first update after that removes it; with `0`, the first one after that which gave it up.",
    ),
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
