/** A domain's MX records as DNS has them now, and whether they lead here. */
import type { MxRecords } from "../dns/resolver.ts";

export interface MxRecord {
  readonly exchange: string;
  readonly priority: number;
  readonly ttl: number;
}

export type MxView =
  | { readonly kind: "records"; readonly records: readonly MxRecord[]; readonly ours: boolean }
  | { readonly kind: "none" }
  | { readonly kind: "failed" };

const ABSENT = new Set(["ENOTFOUND", "ENODATA"]);

/** Never throws: that DNS doesn't answer is something to show. */
export async function lookUpMx(domain: string, dns: MxRecords, ownHosts: readonly string[]): Promise<MxView> {
  try {
    const { records } = await dns.resolveMx(domain);
    const sorted = records.toSorted((one, other) => one.priority - other.priority);
    return { kind: "records", records: sorted, ours: sorted.every((record) => isOurs(record, ownHosts)) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { kind: ABSENT.has(code) ? "none" : "failed" };
  }
}

function isOurs({ exchange }: MxRecord, ownHosts: readonly string[]): boolean {
  return ownHosts.includes(exchange.toLowerCase().replace(/\.$/, ""));
}
