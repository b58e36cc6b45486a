/** One persistent, bound LDAP connection that comes back by itself, and short-lived ones for password checks. */
import { Client, type Filter, InvalidCredentialsError, NoSuchObjectError, ResultCodeError } from "ldapts";
import type { DirectorySettings } from "../contract.ts";
import type { Log } from "../net/log.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import { ownPasswordTo, PASSWORD_MODIFY } from "./password-modify.ts";

/** What the directory client needs from outside. */
export interface LdapDeps {
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  readonly log: Log;
}

/** An LDAP entry as found. */
export interface Entry {
  readonly dn: string;
  readonly [attribute: string]: string | string[] | Buffer | Buffer[];
}

/** A question to the directory. */
export interface Query {
  readonly base: string;
  readonly scope: "base" | "one";
  readonly filter: Filter;
  readonly attributes: string[];
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Connects at the first question. Every method rejects with DirectoryUnavailable, and nothing else. */
export class LdapConnection {
  readonly #settings: DirectorySettings;
  readonly #deps: LdapDeps;
  #current: Promise<Client> | undefined;
  /** While a failed directory rests, questions fail at once instead of piling up. */
  #notBefore = 0;
  #pauseMs = 0;
  #closed = false;

  constructor(settings: DirectorySettings, deps: LdapDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  /** The entries that match, at most two: one is the answer, a second shows that the directory is broken. */
  search(query: Query): Promise<Entry[]> {
    return this.#timed("search", () => this.#search(query));
  }

  async #search(query: Query): Promise<Entry[]> {
    const reused = this.#current !== undefined;
    try {
      return await this.#searchOnce(query);
    } catch (error) {
      // A connection that sat idle may have been closed by the server: one fresh one before giving up. Not
      // after a time-out, which would make the client wait twice as long.
      if (!(error instanceof Broken) || !reused || /timed? ?out/i.test(error.message))
        throw unavailable(error);
    }
    return this.#searchOnce(query).catch((error: unknown) => Promise.reject(unavailable(error)));
  }

  /** Whether `dn` may bind with `password`, asked over a connection of its own. */
  tryBind(dn: string, password: string): Promise<boolean> {
    return this.#timed("bind", () => this.#boundAs(dn, password));
  }

  /** Writes another password as the owner of `dn`; false when the current one is wrong. The server hashes it. */
  replacePassword(dn: string, current: string, wanted: string): Promise<boolean> {
    return this.#boundAs(dn, current, async (client) => {
      await client.exop(PASSWORD_MODIFY, ownPasswordTo(wanted));
    });
  }

  async #boundAs(
    dn: string,
    password: string,
    work: (client: Client) => Promise<void> = async () => {},
  ): Promise<boolean> {
    const client = this.#newClient();
    try {
      await client.bind(dn, password);
      await work(client);
      return true;
    } catch (error) {
      if (error instanceof InvalidCredentialsError || error instanceof NoSuchObjectError) return false;
      throw unavailable(error);
    } finally {
      await release(client);
    }
  }

  /** Tells how long the directory took, and whether it answered at all. */
  async #timed<T>(operation: "search" | "bind", ask: () => Promise<T>): Promise<T> {
    const { now, log } = this.#deps;
    const start = now();
    const tell = (outcome: "answered" | "failed"): void =>
      log.debug("directory.asked", { operation, outcome, ms: Math.round(now() - start) });
    try {
      const answer = await ask();
      tell("answered");
      return answer;
    } catch (error) {
      tell("failed");
      throw error;
    }
  }

  /** Says goodbye and does not wait: one that has yet to answer would hold up the daemon's end. */
  async close(): Promise<void> {
    this.#closed = true;
    const last = this.#current;
    this.#current = undefined;
    last?.then(release, () => {});
  }

  async #searchOnce(query: Query): Promise<Entry[]> {
    const mine = this.#shared();
    try {
      const client = await mine;
      // ldapts connects anew by itself after the server has closed, but unbound: that would find nothing.
      if (!client.isBound) throw new Error("the connection was closed");
      const { base, ...options } = query;
      const found = await client.search(base, { ...options, sizeLimit: 2 });
      return found.searchEntries as Entry[];
    } catch (error) {
      if (error instanceof NoSuchObjectError) return [];
      if (error instanceof ResultCodeError) throw unavailable(error);
      this.#drop(mine, error);
      throw new Broken(text(error));
    }
  }

  #shared(): Promise<Client> {
    if (this.#closed) throw new DirectoryUnavailable("the directory client is closed");
    if (this.#current === undefined) {
      if (this.#deps.now() < this.#notBefore) throw new DirectoryUnavailable("the directory did not answer");
      this.#current = this.#connect();
    }
    return this.#current;
  }

  async #connect(): Promise<Client> {
    const client = this.#newClient();
    try {
      await client.bind(this.#settings.bindDn, this.#settings.password);
    } catch (error) {
      await release(client);
      this.#pauseMs = this.#pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      this.#notBefore = this.#deps.now() + this.#pauseMs;
      this.#current = undefined;
      throw error;
    }
    this.#pauseMs = 0;
    this.#deps.log.info("directory.connected", { url: this.#settings.url });
    return client;
  }

  #drop(failed: Promise<Client>, cause: unknown): void {
    this.#deps.log.warn("directory.unavailable", { url: this.#settings.url, cause: text(cause) });
    if (this.#current === failed) this.#current = undefined;
    failed.then(release, () => {});
  }

  #newClient(): Client {
    const { url, timeoutMs } = this.#settings;
    return new Client({ url, timeout: timeoutMs, connectTimeout: timeoutMs });
  }
}

/** The shared connection failed under a question. */
class Broken extends Error {}

function unavailable(error: unknown): DirectoryUnavailable {
  return error instanceof DirectoryUnavailable ? error : new DirectoryUnavailable(text(error));
}

/** ldapts puts no values of a request into its messages, only types and codes: safe to log. */
function text(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

async function release(client: Client): Promise<void> {
  if (client.isConnected) await client.unbind().catch(() => {});
}
