/** What the stack says about itself: its output `summary`, as far as the doctor needs it. */
import { z } from "zod";

const Port = z.int().min(1).max(65_535);

/** The stack output `summary`, without what people are told. */
export const StackFacts = z.object({
  prefix: z.string().default(""),
  domain: z.string(),
  domains: z.array(z.string()),
  /** Those of them that are given up. */
  leaving: z.array(z.string()).default([]),
  bind: z.string(),
  /** The host's public addresses. */
  address: z.string().optional(),
  address6: z.string().optional(),
  hostnames: z.object({ mx: z.string(), smtp: z.string(), imap: z.string() }),
  ports: z.object({
    ...{ smtp: Port, submission: Port, submissions: Port, imap: Port, imaps: Port, sieve: Port },
  }),
  portal: z.object({ port: Port }).optional(),
  dnsProvider: z.enum(["dev", "gandi", "none"]),
  /** Addresses on the stack's own network, where that is on this machine. */
  resolver: z.string().optional(),
  nameServer: z.string().optional(),
  /** The MTA-STS policies that are served, by domain. */
  mtaStsPolicies: z.record(z.string(), z.string()).default({}),
  signing: z.array(z.object({ domain: z.string(), selector: z.string(), publicKey: z.string() })),
  records: z.array(
    z.object({
      ...{ zone: z.string(), name: z.string(), type: z.string() },
      ...{ ttl: z.number(), values: z.array(z.string()) },
    }),
  ),
  /** Mailboxes that were given up, and the last day on which their mail is kept. */
  kept: z.array(z.object({ id: z.string(), name: z.string(), until: z.string() })).default([]),
  /** Why the host's file system limits nobody's box; absent where it isn't to. */
  diskTroubles: z.array(z.string()).optional(),
  ca: z.string(),
  /** Who issues the certificate that the services show; `roots`: trusted besides the public authorities, PEM. */
  certificates: z
    .object({ kind: z.enum(["own", "acme", "files"]), roots: z.array(z.string()) })
    .default({ kind: "own", roots: [] }),
});
export type StackFacts = z.infer<typeof StackFacts>;
