/** Sessions with foreign hosts, counted by day in a database beside the queue until they are reported. */
import type { DatabaseSync } from "node:sqlite";
import { domainToASCII } from "node:url";
import { z } from "zod";
import type { Log } from "../net/log.ts";
import { type AppliedPolicy, NO_POLICY, type SessionNote } from "../policy/tls-report.ts";
import { openSideFile } from "../side-file/side-file.ts";

/** Sessions that are alike. */
export interface Tally {
  readonly policy: AppliedPolicy;
  readonly host: string;
  readonly address: string;
  /** Empty: all was as the policy asks. */
  readonly result: string;
  readonly reason: string;
  readonly count: number;
}

/** A domain on a day, counted in days of UTC since 1970. */
export interface DomainDay {
  readonly day: number;
  readonly domain: string;
}

export interface TlsReportStore {
  /** Sessions that are alike. Beyond its bounds, what is new is not counted. Throws when the file can't be written. */
  note(day: number, session: SessionNote, count: number): void;
  /** What was counted before a day, the oldest first. */
  before(day: number): DomainDay[];
  read(of: DomainDay): Tally[];
  forget(of: DomainDay): void;
  close(): void;
}

/** Kinds of sessions that are told apart, in all and of one domain a day; and bytes of a policy that are kept. */
const MAX_ROWS = 5_000;
const MAX_ROWS_OF_DOMAIN = 50;
/** Most domains have no policy, and few of them ask for reports: they leave room for those that have one. */
const MAX_ROWS_WITHOUT_POLICY = 2_500;
const MAX_POLICY = 4_096;
const MAX_REASON = 200;

const Policy = z.strictObject({
  type: z.enum(["tlsa", "sts", "no-policy-found"]),
  strings: z.array(z.string()),
  hosts: z.array(z.string()),
});

const SCHEMA = `
CREATE TABLE IF NOT EXISTS session (
  day INTEGER, domain TEXT, policy TEXT, result TEXT, host TEXT, address TEXT, reason TEXT, count INTEGER NOT NULL,
  PRIMARY KEY (day, domain, policy, result, host, address, reason)) STRICT, WITHOUT ROWID;
`;
const SAME =
  "day = ? AND domain = ? AND policy = ? AND result = ? AND host = ? AND address = ? AND reason = ?";

/** Synchronous, and the only one that writes to the file. */
export function openTlsReportStore(dir: string, log: Log): TlsReportStore {
  // NORMAL: what a power cut takes is half a minute of counts, and a report that went out may go out again.
  return openSideFile({ dir, name: "tls-report.sqlite", synchronous: "NORMAL", log }, storeIn);
}

function storeIn(db: DatabaseSync): TlsReportStore {
  db.exec(SCHEMA);
  const more = db.prepare(`UPDATE session SET count = count + ? WHERE ${SAME}`);
  const first = db.prepare("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  const all = db.prepare("SELECT count(*) AS n FROM session");
  const ofDomain = db.prepare("SELECT count(*) AS n FROM session WHERE day = ? AND domain = ?");
  const ofPolicy = db.prepare("SELECT count(*) AS n FROM session WHERE policy = ?");
  const ended = db.prepare("SELECT DISTINCT day, domain FROM session WHERE day < ? ORDER BY day, domain");
  const find = db.prepare("SELECT * FROM session WHERE day = ? AND domain = ?");
  const remove = db.prepare("DELETE FROM session WHERE day = ? AND domain = ?");
  return {
    note(day, { domain, policy, host, address = "", failure }, count) {
      // RFC 8460 section 4.4: as DNS has it.
      const name = (domainToASCII(domain) || domain).toLowerCase();
      const reason = (failure?.reason ?? "").slice(0, MAX_REASON);
      // What went well is told apart by the policy alone.
      const peer = failure === undefined ? ["", "", ""] : [host, address, reason];
      const text = JSON.stringify(shortened(policy));
      const row = [day, name, text, failure?.result ?? "", ...peer] as const;
      if (more.run(count, ...row).changes > 0) return;
      const room =
        Number(all.get()?.n) < MAX_ROWS &&
        Number(ofDomain.get(day, name)?.n) < MAX_ROWS_OF_DOMAIN &&
        (text !== WITHOUT_POLICY || Number(ofPolicy.get(text)?.n) < MAX_ROWS_WITHOUT_POLICY);
      if (room) first.run(...row, count);
    },
    before: (day) => ended.all(day).map((row) => ({ day: Number(row.day), domain: String(row.domain) })),
    read: ({ day, domain }) =>
      find.all(day, domain).map(({ policy, host, address, result, reason, count }) => ({
        policy: Policy.parse(JSON.parse(String(policy))),
        ...{ host: String(host), address: String(address), result: String(result), reason: String(reason) },
        count: Number(count),
      })),
    forget: ({ day, domain }) => void remove.run(day, domain),
    close: () => db.close(),
  };
}

const WITHOUT_POLICY = JSON.stringify(NO_POLICY);

/** The first of its strings and hosts: a stranger's policy may be large. */
function shortened({ type, strings, hosts }: AppliedPolicy): AppliedPolicy {
  return { type, strings: fitting(strings), hosts: fitting(hosts) };
}

function fitting(texts: readonly string[]): string[] {
  let room = MAX_POLICY / 2;
  return texts.filter((text) => {
    room -= text.length;
    return room >= 0;
  });
}
