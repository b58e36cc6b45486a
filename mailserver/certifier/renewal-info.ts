/** When the authority would have a certificate renewed (ACME Renewal Information, RFC 9773). */
import "reflect-metadata";
import { AuthorityKeyIdentifierExtension, X509Certificate } from "@peculiar/x509";
import { z } from "zod";

const Window = z.object({
  suggestedWindow: z.object({
    start: z.iso.datetime({ offset: true }),
    end: z.iso.datetime({ offset: true }),
  }),
});

/** Milliseconds since 1970. */
export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

const base64url = (hex: string): string => Buffer.from(hex, "hex").toString("base64url");

/** RFC 9773 section 4.1: key identifier of the authority, and serial number. Undefined when it has no such identifier. */
export function certificateId(pem: string): string | undefined {
  const certificate = new X509Certificate(pem);
  const { keyId } = certificate.getExtension(AuthorityKeyIdentifierExtension) ?? {};
  if (keyId === undefined) return undefined;
  // As DER has it: with a leading zero where the number would look negative.
  const serial = certificate.serialNumber;
  const padded = serial.length % 2 === 1 ? `0${serial}` : serial;
  return `${base64url(keyId)}.${base64url(/^[89a-f]/i.test(padded) ? `00${padded}` : padded)}`;
}

/** Undefined when it is none (RFC 9773 section 4.2: an end that isn't after its start is to be passed over). */
export function parseWindow(body: string): RenewalWindow | undefined {
  try {
    const { start, end } = Window.parse(JSON.parse(body)).suggestedWindow;
    const window = { start: Date.parse(start), end: Date.parse(end) };
    return window.end > window.start ? window : undefined;
  } catch {
    return undefined;
  }
}

const DEFAULT_POLL_MS = 21_600_000;
const LEAST_POLL_MS = 60_000;
const LONGEST_POLL_MS = 86_400_000;

/** RFC 9773 section 4.3: when to ask again, at most once a minute and at least once a day. */
export function pollPause(retryAfterMs: number | undefined): number {
  return Math.min(Math.max(retryAfterMs ?? DEFAULT_POLL_MS, LEAST_POLL_MS), LONGEST_POLL_MS);
}

/** RFC 9773 section 4.2: any moment of the window; `random` from 0 to 1. */
export function pick({ start, end }: RenewalWindow, random: number): number {
  return start + (end - start) * random;
}
