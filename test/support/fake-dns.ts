/** DNS answers from a table. A string is an error code. */
import type { Dns } from "../../mailserver/courier/mx.ts";

export interface Zone {
  readonly [name: string]: {
    readonly mx?: readonly (readonly [priority: number, exchange: string])[] | string;
    readonly a?: readonly string[] | string;
    readonly aaaa?: readonly string[] | string;
  };
}

export function fakeDns(zone: Zone): Dns {
  function answer<T>(name: string, records: readonly T[] | string | undefined): T[] {
    const code = zone[name] === undefined ? "ENOTFOUND" : (records ?? "ENODATA");
    if (typeof code === "string") throw Object.assign(new Error(`query ${name}`), { code });
    return [...code];
  }
  return {
    resolveMx: async (name) =>
      answer(name, zone[name]?.mx).map(([priority, exchange]) => ({ priority, exchange })),
    resolve4: async (name) => answer(name, zone[name]?.a),
    resolve6: async (name) => answer(name, zone[name]?.aaaa),
  };
}
