/** The pure part of CertificateAuthority and Certificate. */
import { isIP } from "node:net";
import { z } from "zod";
import { changedKeys, UNKNOWN } from "../validate.ts";

const DAY = 86_400_000;

const pem = (label: string) =>
  z.string().startsWith(`-----BEGIN ${label}-----`, `must be PEM that begins with -----BEGIN ${label}-----`);
// RFC 6125 section 6.4.3 lets a wildcard stand for the whole leftmost label only.
const dnsName = z
  .string()
  .regex(
    /^(?=.{1,253}$)(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    "must be a host name in lower case, without a trailing dot",
  );
const ipAddress = z.string().refine((text) => isIP(text) !== 0, "must be an IPv4 or IPv6 address");
const days = (most: number) => z.int("must be a whole number").min(1).max(most);

/** The authority's inputs. */
export const authorityShape = {
  commonName: z
    .string()
    .min(1, "must not be empty")
    .max(64, "at most 64 characters (RFC 5280, ub-common-name)"),
  days: days(7300).default(3650),
  renewBeforeDays: z.int().min(0).default(180),
};
export const AuthorityInputs = z.object(authorityShape);

/** The certificate's inputs. */
export const certificateShape = {
  caCertificatePem: pem("CERTIFICATE"),
  caPrivateKeyPem: pem("PRIVATE KEY"),
  keyPem: pem("PRIVATE KEY").optional(),
  dnsNames: z.array(dnsName).min(1, "at least one name"),
  ipAddresses: z.array(ipAddress).default([]),
  days: days(825).default(90),
  renewBeforeDays: z.int().min(0).default(30),
};
export const CertificateInputs = z.object(certificateShape);

/** A renewal due from the first day on would never end. */
export function lifetimeFailures(inputs: Record<string, unknown>) {
  const { days, renewBeforeDays } = inputs;
  if (typeof days !== "number" || typeof renewBeforeDays !== "number" || renewBeforeDays < days) return [];
  const reason = `must be less than days (${days}), or every update would renew`;
  return [{ property: "renewBeforeDays", reason }];
}

/** Says whether a certificate is to be renewed at `now`. One without a readable date is. */
export function isDue(notAfter: unknown, renewBeforeDays: unknown, now: Date): boolean {
  if (renewBeforeDays === UNKNOWN) return false;
  const end = Date.parse(String(notAfter));
  return !(end - Number(renewBeforeDays) * DAY > now.getTime());
}

/** What `compare…` looks at. */
export interface Comparison {
  olds: Record<string, unknown>;
  news: Record<string, unknown>;
  now: Date;
}

/**
 * Any change makes a new authority. The end of its time has the same one issue another certificate of itself: what is
 * protected can't be replaced, and a TLSA record of its key stays true (RFC 7671 section 8.1).
 */
export function compareAuthority({ olds, news, now }: Comparison) {
  const replaces = changedKeys(["commonName", "days"], olds, news);
  return { changes: replaces.length > 0 || isDue(olds.notAfter, news.renewBeforeDays, now), replaces };
}

const sorted = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value);

/**
 * Any change is an update that issues anew. The authority's key isn't compared: its certificate changes with it. The
 * order of names doesn't matter, except that the first is the subject.
 */
export function compareCertificate({ olds, news, now }: Comparison) {
  const view = (props: Record<string, unknown>) => ({
    caCertificatePem: props.caCertificatePem,
    days: props.days,
    keyPem: props.keyPem,
    subject: Array.isArray(props.dnsNames) ? props.dnsNames[0] : props.dnsNames,
    dnsNames: sorted(props.dnsNames),
    ipAddresses: sorted(props.ipAddresses),
  });
  const before = view(olds);
  const changed = changedKeys(Object.keys(before), before, view(news));
  return { changes: changed.length > 0 || isDue(olds.notAfter, news.renewBeforeDays, now), replaces: [] };
}

/** From when to when: five minutes of tolerance for clocks that lag, and never longer than `limit`. */
export function validity(now: Date, days: number, limit?: Date): { notBefore: Date; notAfter: Date } {
  // X.509 times have no fractions of a second.
  const whole = Math.floor(now.getTime() / 1000) * 1000;
  const end = Math.min(whole + days * DAY, limit?.getTime() ?? Number.POSITIVE_INFINITY);
  return { notBefore: new Date(whole - 300_000), notAfter: new Date(end) };
}
