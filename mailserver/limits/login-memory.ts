/** What a login guard knows, in a database: a restart must neither unlock a guesser nor lock out a home. */
import { createHmac } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { LoginMemory } from "../policy/login-guard.ts";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS login_failures (key TEXT PRIMARY KEY, failures INTEGER, until INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS login_failures_until ON login_failures (until);
CREATE TABLE IF NOT EXISTS login_homes (key TEXT PRIMARY KEY, last INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS login_homes_last ON login_homes (last);
`;

/** Where nobody logged in for so long is no home any more. */
const HOME_MS = 90 * 86_400_000;
/** Homes written down anew: not at each of a person's logins. */
const HOME_FRESH_MS = 86_400_000;

export interface LoginMemoryDeps {
  /** Of `openLimitsFile`. */
  readonly db: DatabaseSync;
  /** Makes the keys unreadable for who has the file alone: somebody types their password where their name belongs. */
  readonly secret: string;
  /** Milliseconds since 1970: what is written down outlives the process. */
  readonly now: () => number;
  /** Told of what could not be written down. */
  readonly failed: (error: unknown) => void;
}

export function createLoginMemory({ db, secret, now, failed }: LoginMemoryDeps): LoginMemory {
  db.exec(SCHEMA);
  const keep = db.prepare(
    `INSERT INTO login_failures (key, failures, until) VALUES (?, ?, ?) ON CONFLICT (key)
     DO UPDATE SET failures = excluded.failures, until = excluded.until`,
  );
  const expire = db.prepare("DELETE FROM login_failures WHERE until <= ?");
  const forget = db.prepare("DELETE FROM login_failures WHERE key = ?");
  const home = db.prepare(
    `INSERT INTO login_homes (key, last) VALUES (?, ?) ON CONFLICT (key)
     DO UPDATE SET last = excluded.last WHERE last < excluded.last - ${HOME_FRESH_MS}`,
  );
  /** When homes were last written down: most logins are from one that was today, and must not wait for the disk. */
  const written = new Map<string, number>();
  const leave = db.prepare("DELETE FROM login_homes WHERE key = ?");
  const abandon = db.prepare("DELETE FROM login_homes WHERE last <= ?");
  const counted = db.prepare(
    "SELECT key, failures, until FROM login_failures WHERE until > ? ORDER BY until",
  );
  const lived = db.prepare("SELECT key FROM login_homes WHERE last > ? ORDER BY last");
  /** A full disk keeps nobody from logging in: what is not written down holds until the next restart. */
  const write = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      failed(error);
    }
  };
  return {
    seal: (key) => createHmac("sha256", secret).update(`login ${key}`).digest("base64url").slice(0, 22),
    load() {
      const at = now();
      write(() => {
        expire.run(at);
        abandon.run(at - HOME_MS);
      });
      const failures = counted.all(at);
      const homes = lived.all(at - HOME_MS);
      return {
        failures: failures.map(({ key, failures: count, until }) => ({
          ...{ key: String(key), failures: Number(count), ms: Number(until) - now() },
        })),
        homes: homes.map(({ key }) => String(key)),
      };
    },
    keepFailures: ({ key, failures, ms }) =>
      write(() => {
        expire.run(now());
        keep.run(key, failures, now() + ms);
      }),
    forgetFailures: (key) => write(() => forget.run(key)),
    keepHome: (key) => {
      const at = now();
      if (at <= (written.get(key) ?? Number.NEGATIVE_INFINITY) + HOME_FRESH_MS) return;
      write(() => {
        home.run(key, at);
        written.set(key, at);
      });
    },
    forgetHome: (key) => {
      written.delete(key);
      write(() => leave.run(key));
    },
  };
}
