/** An authenticated connection to the directory for the length of one operation, and errors that a person can act on. */
import { setTimeout as sleep } from "node:timers/promises";
import { Client, ResultCodeError } from "ldapts";
import { z } from "zod";
import type { Inputs } from "./diff.ts";

type Connection = Inputs["connection"];

/** Between two tries with a directory that is just starting; milliseconds. */
const PAUSE_MS = 500;

/** How long a directory that doesn't answer is waited for; the operator sets less, since nothing it does starts one. */
const Patience = z.coerce.number().int().min(0).default(60);

const NOT_READY = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"]);

/** LDAP result codes (RFC 4511 appendix A.1) that a remedy is known for. */
const REMEDIES: Readonly<Record<number, string>> = {
  19: "a value breaks a rule of the directory, such as an address that another entry has already",
  32: "the parent entry is missing; was it deleted by hand? Run `pulumi refresh`, then update again",
  49: "the directory refused the bind: the password in the stack isn't the one the directory was started with",
  50: "the bind DN may not write here; use the directory's admin",
  53: "the directory is unwilling; see its log",
  68: "the entry exists already; set `adopt` to take it over, or delete it",
};
export const LDAP = {
  noSuchAttribute: 16,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  noSuchObject: 32,
  busy: 51,
  unavailable: 52,
  entryExists: 68,
} as const;

/** Whether the directory refused with one of these codes. */
export function isRefusal(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof ResultCodeError && codes.includes(error.code);
}

/** Runs `work` on a bound connection. Waits for a directory that doesn't answer yet, a minute if not told otherwise. */
export async function withDirectory<T>(
  connection: Connection,
  dn: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connect(connection, dn);
  try {
    return await work(client);
  } catch (error) {
    throw explain(error, connection, dn);
  } finally {
    await client.unbind().catch(() => undefined);
  }
}

async function connect(connection: Connection, dn: string): Promise<Client> {
  const patienceMs = Patience.parse(process.env.SEMAIL_DIRECTORY_PATIENCE_SECONDS) * 1_000;
  for (let waited = 0; ; waited += PAUSE_MS) {
    const client = new Client({ url: connection.url, timeout: 30_000, connectTimeout: 5_000 });
    try {
      await client.bind(connection.bindDn, connection.password);
      return client;
    } catch (error) {
      await client.unbind().catch(() => undefined);
      if (!isStarting(error) || waited >= patienceMs) throw explain(error, connection, dn);
      await sleep(PAUSE_MS);
    }
  }
}

function isStarting(error: unknown): boolean {
  if (error instanceof ResultCodeError) return error.code === LDAP.busy || error.code === LDAP.unavailable;
  return NOT_READY.has(networkCode(error)) || /connection (closed|timeout)|socket/i.test(String(error));
}

function networkCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

/** The directory answers, but hasn't what an operation needs; the message says what to do. */
export class EntryGone extends Error {
  override readonly name = "EntryGone";
}

/** An error that names the entry, the cause and the remedy. */
function explain(error: unknown, { url }: Connection, dn: string): Error {
  if (error instanceof EntryGone) return new Error(`LDAP entry ${dn} at ${url}: ${error.message}`);
  if (error instanceof ResultCodeError) {
    const remedy = REMEDIES[error.code];
    return new Error(`LDAP entry ${dn} at ${url}: ${error.message.trim()}${remedy ? ` — ${remedy}` : ""}`);
  }
  const reason = error instanceof Error ? error.message : String(error);
  const hint = "is the directory's container running, and its port published? See its log";
  return new Error(`LDAP entry ${dn}: the directory at ${url} doesn't answer (${reason.trim()}) — ${hint}`);
}
