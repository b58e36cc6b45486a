/** The part of the stack config about the records of the domains. */
import { z } from "zod";
import { address, domain } from "./schema-fields.ts";

/** Whether clear text is good enough for the token is for `@pulumi/gandi` to say, which sends it nowhere else. */
const HTTP_URL = /^https?:\/\/[^@\s]+$/;

export const Dmarc = z.strictObject({
  policy: z
    .enum(["none", "quarantine", "reject"])
    .default("none")
    .describe(
      "What receivers shall do with mail that claims to be from the domain and is not. Begin with `none`, read the reports, then `quarantine`, then `reject`.",
    ),
  subdomains: z
    .enum(["none", "quarantine", "reject"])
    .optional()
    .describe("The same for names below the domain. Default: as `policy`."),
  strict: z
    .boolean()
    .default(false)
    .describe("Whether SPF and DKIM must name the domain itself, not one below it."),
  rua: z
    .array(address)
    .optional()
    .describe("Who gets the daily reports; empty: nobody. Default: `postmaster@<domain>`."),
});

export const MtaSts = z.strictObject({
  mode: z
    .enum(["testing", "enforce"])
    .default("testing")
    .describe(
      "`testing`: senders report what would fail; `enforce`: they don't deliver without a valid certificate.",
    ),
  maxAge: z
    .int()
    .min(86_400)
    .max(31_557_600)
    .default(604_800)
    .describe("Seconds for which senders remember the policy."),
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
  changeNow: z
    .boolean()
    .default(false)
    .describe(
      "Change addresses, and take domains out, at once, although others remember the old records. Without it such an update is refused, and says how to do it in two.",
    ),
  snapshots: z
    .int()
    .min(1)
    .max(1_000)
    .default(10)
    .describe(
      "How many snapshots of a zone stay at Gandi of those that updates made before they changed it; `npm run up` removes older ones when it is done. Others it leaves alone.",
    ),
  spf: z
    .enum(["refuse", "merge"])
    .default("refuse")
    .describe(
      "What to do when the domain has TXT records already. `merge`: keep them, and add our host to the SPF record among them; `refuse`: show the difference and change nothing.",
    ),
  dmarc: Dmarc.prefault({}).describe("The domain's DMARC policy (RFC 7489)."),
  mtaSts: MtaSts.optional().describe(
    "Publish an MTA-STS policy (RFC 8461). The portal serves it, where `portal.enabled` is set; otherwise serve it yourself at `https://mta-sts.<domain>/.well-known/mta-sts.txt`. Senders heed it only under a certificate of a public authority. Needs `host.address`.",
  ),
  tlsReports: z
    .array(address)
    .optional()
    .describe(
      "Who gets other servers' reports on TLS with us (RFC 8460); empty: nobody. Default: `postmaster@<domain>`.",
    ),
  autoconfig: z
    .boolean()
    .default(false)
    .describe(
      "Publish `autoconfig` and `autodiscover`, where mail programs look for settings over HTTPS; needs `host.address`. The SRV records are there in any case.",
    ),
  caa: z
    .array(domain)
    .default([])
    .describe(
      "Certificate authorities that alone may issue for the domain, such as `letsencrypt.org` (RFC 8659).",
    ),
  signed: z
    .boolean()
    .default(false)
    .describe("Say that the zone is signed (DNSSEC): a TLSA record of the MX host is published (RFC 7672)."),
});
