/** What can go wrong with LiveDNS, and what to do about it. */
import { z } from "zod";

// Two forms are in use: {code, message, object, cause} and, for bodies that don't fit the schema, {status, errors}.
const Body = z.object({
  message: z.string().optional(),
  object: z.string().optional(),
  cause: z.string().optional(),
  errors: z.array(z.object({ name: z.string().optional(), description: z.string().optional() })).optional(),
});

/** An answer of the API that is not a success. */
export class ApiError extends Error {
  /** HTTP status. */
  readonly status: number;
  /** What kind of thing the API says it is about, e.g. `dns-record`. */
  readonly object: string | undefined;
  /** How many times the request was sent. */
  readonly attempts: number;

  constructor(status: number, body: string, attempts: number) {
    super(reasonOf(body));
    this.name = "ApiError";
    this.status = status;
    this.object = parseBody(body)?.object;
    this.attempts = attempts;
  }
}

/** No answer at all. */
export class UnreachableError extends Error {
  constructor(apiUrl: string, attempts: number, cause: unknown) {
    super(`no answer from ${apiUrl} after ${attempts} attempts: ${rootMessage(cause)}`, { cause });
    this.name = "UnreachableError";
  }
}

/** An answer that is longer than any of LiveDNS's. */
export class OversizeError extends Error {
  constructor(bytes: number) {
    super(`the answer has more than ${bytes} bytes: check auth.apiUrl`);
    this.name = "OversizeError";
  }
}

function parseBody(body: string) {
  try {
    return Body.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function reasonOf(body: string): string {
  const parsed = parseBody(body);
  const details = (parsed?.errors ?? []).map((e) => [e.name, e.description].filter(Boolean).join(": "));
  const reason = [parsed?.message ?? parsed?.cause, ...details].filter(Boolean).join("; ");
  return printable(reason || body).slice(0, 300) || "no reason given";
}

/** What others wrote, in one line and with nothing that a terminal would obey. */
export const printable = (text: string): string => text.replace(/[\s\p{C}]+/gu, " ").trim();

/** fetch wraps what went wrong: the innermost cause is what helps. */
function rootMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? rootMessage(error.cause) : error.message || error.name;
}

/** Failures that would meet the change itself, too, are told as such. */
const COMMON = [401, 403, 404, 429];

/** What it means that there is no snapshot. Throws. */
export function withoutSnapshot(error: unknown): never {
  if (!(error instanceof ApiError) || COMMON.includes(error.status) || error.status >= 500) throw error;
  throw new Error(
    `no snapshot of the zone could be made before the change: delete old ones at LiveDNS, or set snapshot: false (${error.status}: ${error.message})`,
    { cause: error },
  );
}

const TOKEN = "auth.token or GANDI_PERSONAL_ACCESS_TOKEN";
const remedies: { [status: number]: (zone: string) => string } = {
  400: () => "LiveDNS refused the record: correct its ttl or values",
  401: () =>
    `LiveDNS refused the token: set ${TOKEN} to a valid personal access token; after a rotation run pulumi up first`,
  403: (zone) => `the token may not do this: let it manage the technical configuration of ${zone}`,
  404: (zone) =>
    `LiveDNS has no zone ${zone} that this token can see: add the domain to LiveDNS, or correct the name`,
  409: () =>
    "it exists already, or clashes with another type of this name: remove that one, or set adoptExisting: true to overwrite it",
  422: () => "LiveDNS refused the record: correct its ttl or values",
  429: () => "LiveDNS asks for fewer requests: try again in a minute, or with a lower --parallel",
};

function explanation(error: unknown, zone: string): string {
  if (error instanceof UnreachableError) return `${error.message}. Check auth.apiUrl and the network`;
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  return `${remedies[error.status]?.(zone) ?? unexpected(error)} (${error.status}: ${error.message})`;
}

function unexpected({ status, attempts }: ApiError): string {
  if (status >= 500) return `LiveDNS has a fault (${attempts} attempts): try again later`;
  if (status >= 300 && status < 400)
    return "the API sends on to another address, where the token doesn't go: correct auth.apiUrl";
  return "an answer that was not expected";
}

/** An error that names the object, the cause and the remedy. The token is in none of its parts. */
export function explain(cause: unknown, subject: string, zone: string): Error {
  const error = new Error(`${subject}: ${explanation(cause, zone)}`, { cause });
  // Pulumi prints the stacks of failed operations: the message is meant for people, and the cause keeps a stack.
  error.stack = "";
  return error;
}
