/** Types of values that several parts of the stack config share. */
import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { z } from "zod";
import { isAddress, isDomain, isForward } from "./address.ts";
import { parseSize } from "./size.ts";

const UID = /^(?!.*[.-]{2})[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?$/;

export const lower = z.string().trim().toLowerCase();
export const domain = lower.refine(isDomain, { error: ({ input }) => domainFault(String(input)) });

/** DNS knows names beyond ASCII in another spelling alone (RFC 5890 section 2.3.2.1). */
function domainFault(text: string): string {
  const ascii = domainToASCII(text);
  return ascii !== text && isDomain(ascii)
    ? `must be written in ASCII: ${ascii}`
    : "must be a domain name such as example.org";
}

export const address = lower.refine(
  isAddress,
  "must be a mail address such as alice@example.org, without `+`",
);
export const forward = lower.refine(isForward, "must be a mail address such as alice+home@example.com");
export const ipv4 = z.string().refine(isIPv4, "must be an IPv4 address");
export const ipv6 = z.string().refine(isIPv6, "must be an IPv6 address");
export const port = z.int("must be a port from 1 to 65535").min(1).max(65_535);

/** Without quotes YAML has a day as a time, which Pulumi hands over in the form of Go. */
export const day = z
  .string()
  .transform((text) => text.replace(/ 00:00:00 \+0000 UTC$/, ""))
  .pipe(z.iso.date("must be a day such as 2026-01-31"));

export function size(minimum: string) {
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

export const network = z.union(
  [z.cidrv4(), z.cidrv6()],
  "must be a network such as 192.0.2.0/24 or 2001:db8::/32",
);

/** A file of the machine on which updates run; goes into ssh's configuration, too. */
export const path = z
  .string()
  .regex(/^(?:\/|~\/)[^\n"%]+$/, "must be an absolute path, or one that begins with ~/");

/** Where ssh finds the private key. */
export const identity = path
  .optional()
  .describe(
    "File with the private key to log in with; it must not ask for a passphrase. Default: the ssh agent and the user's usual keys.",
  );
