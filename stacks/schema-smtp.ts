/** The part of the stack config about the daemons that receive and send. */
import { z } from "zod";
import { LANGUAGES } from "../mailserver/contract.ts";
import { domain, network, Uid } from "./schema-fields.ts";

const limit = z.int().min(0).default(0);

/** 0 stands for no limit. */
const ClientQuota = z.strictObject({
  connections: limit.describe("Connections at the same time; `0`: no limit."),
  connectionsPerMinute: limit.describe("New connections in a minute; `0`: no limit."),
  recipientsPerHour: limit.describe("Accepted recipients in an hour; `0`: no limit."),
  errorsPerHour: limit.describe("Commands refused for good in an hour; `0`: no limit."),
});

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
      "What parts name and detail: with `+`, `alice+shop@` is alice's. What names have in them, too, may be either: with `-`, `mary-ann@` is hers who has that address, else mary's. Empty: such addresses are unknown.",
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

export const OutboundTls = z.strictObject({
  exempt: z
    .array(domain)
    .default([])
    .describe(
      "Domains whose DANE records and MTA-STS policy are not heeded: mail goes to them over TLS when they offer it, whatever the certificate. For a domain that has broken its own and must be reached all the same.",
    ),
  reports: z
    .boolean()
    .default(true)
    .describe(
      "Tell domains that ask for it (`_smtp._tls`, RFC 8460) once a day how many sessions with them were as their DANE records or MTA-STS policy ask, or had TLS at all where they publish neither, and what failed. Nobody's address or message is in such a report.",
    ),
});

export const SmtpOut = z.strictObject({
  limits: SendingLimits.prefault({}).describe(
    "What one person may send, so that a stolen password is no flood. `postmaster@` is told once a day of each who reaches a limit.",
  ),
  tls: OutboundTls.prefault({}).describe(
    "How mail to other servers is secured: DANE and MTA-STS hold where a domain publishes them, TLS is used wherever it is offered.",
  ),
  showClient: z
    .boolean()
    .default(false)
    .describe(
      "Say in the Received field of what people send from which address and with which machine they wrote, as every recipient can read. Some sites need it to trace abuse; the log has it in any case (`smtp.session.open`).",
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
