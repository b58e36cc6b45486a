/** DNS answers from a table. A string is an error code. */
import type { Dns, DnsAnswer } from "../../mailserver/courier/mx.ts";
import type { SecurityDns } from "../../mailserver/courier/security.ts";
import type { TlsaRecord } from "../../mailserver/policy/tls.ts";

export interface Zone {
  readonly [name: string]: {
    readonly mx?: readonly (readonly [priority: number, exchange: string])[] | string;
    readonly a?: readonly string[] | string;
    readonly aaaa?: readonly string[] | string;
    readonly tlsa?: readonly TlsaRecord[] | string;
    readonly txt?: readonly string[] | string;
    /** DNSSEC vouches for what the name has. */
    readonly secure?: boolean;
  };
}

export function fakeDns(zone: Zone): Dns & SecurityDns {
  function answer<T>(name: string, found: readonly T[] | string | undefined): DnsAnswer<T> {
    const records = zone[name] === undefined ? "ENOTFOUND" : (found ?? "ENODATA");
    if (typeof records === "string") throw Object.assign(new Error(`query ${name}`), { code: records });
    return { records, name, secure: zone[name]?.secure ?? false };
  }
  return {
    resolveMx: async (name) => {
      const found = answer(name, zone[name]?.mx);
      return { ...found, records: found.records.map(([priority, exchange]) => ({ priority, exchange })) };
    },
    resolve4: async (name) => answer(name, zone[name]?.a),
    resolve6: async (name) => answer(name, zone[name]?.aaaa),
    resolveTlsa: async (name) => answer(name, zone[name]?.tlsa),
    resolveTxt: async (name) => answer(name, zone[name]?.txt),
  };
}
