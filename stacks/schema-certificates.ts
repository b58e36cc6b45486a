/** The part of the stack config about the certificate that the services show. */
import { z } from "zod";
import { address, path } from "./schema-fields.ts";

const file = path.optional();

export const Certificates = z.strictObject({
  kind: z
    .enum(["own", "acme", "files"])
    .default("own")
    .describe(
      "Who issues the certificate. `own`: an authority of the stack's own, which programs have to be told to trust; `acme`: a public authority (RFC 8555), proven by DNS records of `semail:dns`; `files`: whoever put it in `certificateFile`.",
    ),
  certificateFile: file.describe(
    "For `files`: the certificate in PEM, of the machine on which updates run; the leaf first, then those who issued it.",
  ),
  keyFile: file.describe("For `files`: its private key in PEM, without a passphrase."),
  directory: z
    .url()
    .regex(/^https:\/\/[^@\s]+$/, "must be an https:// URL")
    .default("https://acme-v02.api.letsencrypt.org/directory")
    .describe("Address of the authority's ACME directory. Default: Let's Encrypt."),
  agreed: z
    .boolean()
    .default(false)
    .describe("Say that you have read and accept the authority's terms of service; needed for `acme`."),
  contact: z
    .array(address)
    .min(1)
    .optional()
    .describe("Where the authority may write to. Default: `postmaster@<domain>`."),
  eabKeyId: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Key id of an account that the authority has given you (external account binding), with the secret `semail:eabKey`.",
    ),
  roots: z
    .array(z.string().trim().startsWith("-----BEGIN CERTIFICATE-----", "must be a certificate in PEM"))
    .default([])
    .describe(
      "Certificates of authorities, in PEM, that are trusted besides the public ones: for one of your own.",
    ),
});
