/** The MTA-STS policies that were fetched, in a database beside the queue: a restart must not make us forget one. */
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { Log } from "../net/log.ts";
import { openSideFile } from "../side-file/side-file.ts";

const Policy = z.strictObject({
  /** Of the `_mta-sts` record under which it was fetched. */
  id: z.string(),
  mode: z.enum(["enforce", "testing", "none"]),
  /** Patterns of mail hosts. */
  mx: z.array(z.string()),
  /** Milliseconds since 1970. */
  fetched: z.int(),
  expires: z.int(),
});
/** A domain's policy (RFC 8461 section 3.2). */
export type StsPolicy = Readonly<z.infer<typeof Policy>>;

export interface StsStore {
  get(domain: string): StsPolicy | undefined;
  /** Also drops those that have expired by `now`. */
  put(domain: string, policy: StsPolicy, now: number): void;
  close(): void;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS sts (domain TEXT PRIMARY KEY, policy TEXT NOT NULL, expires INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS sts_expires ON sts (expires);
`;

/** Synchronous, and the only one that writes to the file. */
export function openStsStore(dir: string, log: Log): StsStore {
  // FULL: mail that an enforced policy held back must not go out in clear text because a power cut made us forget the policy
  // while somebody keeps us from fetching it again. It is written once a day and domain, so nobody feels the wait.
  return openSideFile({ dir, name: "mta-sts.sqlite", synchronous: "FULL", log }, storeIn);
}

function storeIn(db: DatabaseSync): StsStore {
  db.exec(SCHEMA);
  const find = db.prepare("SELECT policy FROM sts WHERE domain = ?");
  const write = db.prepare(
    `INSERT INTO sts (domain, policy, expires) VALUES (?, ?, ?) ON CONFLICT (domain)
     DO UPDATE SET policy = excluded.policy, expires = excluded.expires`,
  );
  const forget = db.prepare("DELETE FROM sts WHERE expires < ?");
  return {
    get: (domain) => {
      const row = find.get(domain);
      return row === undefined ? undefined : read(String(row.policy));
    },
    put: (domain, policy, now) => {
      forget.run(now);
      write.run(domain, JSON.stringify(policy), policy.expires);
    },
    close: () => db.close(),
  };
}

/** One that can't be read is fetched again. */
function read(text: string): StsPolicy | undefined {
  try {
    return Policy.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
