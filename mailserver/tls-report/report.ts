/** A report about one domain on one day (RFC 8460 section 4). */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { DomainDay, Tally } from "./store.ts";

const DAY_MS = 86_400_000;

export interface Reporter {
  /** Our domain, in whose name the report goes out. */
  readonly domain: string;
  readonly contact: string;
}

/** The same for the same day: who gets a report twice can tell. */
export function reportId({ day, domain }: DomainDay, reporter: Reporter): string {
  return `${dateOf(day)}.${domain}@${reporter.domain}`;
}

export function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

const zip = promisify(gzip);

/** The report's bytes as they are sent. */
export function zippedReport(...facts: Parameters<typeof makeReport>): Promise<Buffer> {
  return zip(JSON.stringify(makeReport(...facts), undefined, 2));
}

/** RFC 8460 section 5.1. */
export function reportFile({ day, domain }: DomainDay, reporter: Reporter): string {
  const [begin, end] = [(day * DAY_MS) / 1_000, ((day + 1) * DAY_MS) / 1_000 - 1];
  return `${reporter.domain}!${domain}!${begin}!${end}.json.gz`;
}

/** As JSON.stringify takes it. */
export function makeReport(of: DomainDay, tallies: readonly Tally[], reporter: Reporter): object {
  const policies = Map.groupBy(tallies, ({ policy }) => JSON.stringify(policy));
  const date = dateOf(of.day);
  return {
    "organization-name": reporter.domain,
    "date-range": { "start-datetime": `${date}T00:00:00Z`, "end-datetime": `${date}T23:59:59Z` },
    "contact-info": reporter.contact,
    "report-id": reportId(of, reporter),
    policies: [...policies.values()].map((same) => policyOf(of.domain, same)),
  };
}

function policyOf(domain: string, tallies: readonly Tally[]): object {
  const { type, strings = [], hosts = [] } = tallies[0]?.policy ?? {};
  const failures = tallies.filter(({ result }) => result !== "");
  const sum = (list: readonly Tally[]): number => list.reduce((total, { count }) => total + count, 0);
  return {
    policy: {
      "policy-type": type,
      ...(type !== "no-policy-found" && { "policy-string": strings }),
      "policy-domain": domain,
      ...(type !== "no-policy-found" && { "mx-host": hosts }),
    },
    summary: {
      "total-successful-session-count": sum(tallies) - sum(failures),
      "total-failure-session-count": sum(failures),
    },
    ...(failures.length > 0 && { "failure-details": failures.map(detailOf) }),
  };
}

/** Our own address is left out: behind a translating router it is not ours to know. */
function detailOf({ result, host, address, reason, count }: Tally): object {
  return {
    "result-type": result,
    "receiving-mx-hostname": host,
    ...(address !== "" && { "receiving-ip": address }),
    "failed-session-count": count,
    ...(reason !== "" && { "failure-reason-code": reason }),
  };
}
