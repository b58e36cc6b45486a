/** The settings of the certifier, and where the pair is that it keeps. */
import { z } from "zod";
import { healthAddress, hostname, pem, TlsSettings } from "./contract-fields.ts";

/** Where the certifier puts the pair that the services show; a volume that they mount read-only. */
export const CERTIFICATES_FOLDER = "/certificates";
/** A link to what is served now. */
export const SERVED_FOLDER = `${CERTIFICATES_FOLDER}/current`;

/** Settings of the certifier, which has a public authority issue the certificate (RFC 8555). Its secrets are files. */
export const CertifierSettings = z.strictObject({
  /** Of the authority. */
  directory: z.url({ protocol: /^https$/ }),
  /** Mail addresses at which the authority reaches us. */
  contact: z.array(z.string().min(3)).min(1),
  /** What the certificate is for. */
  names: z.array(hostname).min(1).max(100),
  /** Of domains that are given up: in the certificate for as long as they can be proven. */
  leaving: z.array(hostname).max(100).default([]),
  /** In which their records are. */
  zones: z.array(hostname).min(1),
  /** ECDSA P-256, PEM. */
  accountKeyFile: z.string().min(1).default("/settings/account.key"),
  /** An account that the authority knows already; the key in base64url. */
  eab: z
    .strictObject({ keyId: z.string().min(1), keyFile: z.string().min(1).default("/settings/eab.key") })
    .optional(),
  /** The stack's own certificate, and the key that every certificate is for. */
  own: TlsSettings.prefault({}),
  /** Authorities that are trusted besides the public ones when the directory is asked. */
  roots: z.array(pem).default([]),
  /** How records are written, and where they are looked for. */
  records: z.strictObject({
    apiUrl: z.url(),
    tokenFile: z.string().min(1).default("/settings/dns-token"),
    /** IP addresses of the zones' name servers, `address` or `address:port`; empty: those that DNS names. */
    nameServers: z.array(z.string().min(1)).default([]),
    /** IP addresses of the stack's resolver. */
    resolvers: z.array(z.string().min(1)).min(1),
    /** Milliseconds until a record must be seen on every name server. */
    patienceMs: z.int().min(100).default(600_000),
  }),
  folder: z.string().min(1).default(CERTIFICATES_FOLDER),
  /** Milliseconds between attempts: after the first failure, and at most. */
  retry: z
    .strictObject({
      firstMs: z.int().min(10).default(300_000),
      maxMs: z.int().min(10).default(21_600_000),
    })
    .prefault({}),
  /** Milliseconds for which others may remember a TLSA record from before there was a certifier. */
  holdMs: z.int().min(0).default(0),
  ...healthAddress,
});
export type CertifierSettings = z.infer<typeof CertifierSettings>;
