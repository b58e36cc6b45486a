/** What the doctor knows, asks and says. */
import type { Finding } from "../../stacks/dns/findings.ts";
import type { ZoneRecord } from "../../stacks/zone-file.ts";

/** A record set that the stack wants. */
export type Wanted = ZoneRecord & { readonly zone: string };

/** What one server says about a name and type. */
export interface Answer {
  /** Who: name and address. */
  readonly source: string;
  readonly kind: "authority" | "resolver";
  readonly zone: string;
  readonly name: string;
  readonly type: string;
  /** As in a zone file, TXT as bare text; empty: there is nothing. Undefined: no answer. */
  readonly values: readonly string[] | undefined;
  /** Why there is no answer. */
  readonly fault?: string | undefined;
  readonly ttl?: number | undefined;
  /** DNSSEC vouches for it, says a resolver that validates. */
  readonly secure?: boolean | undefined;
  /** The name that this one is an alias of. */
  readonly alias?: string | undefined;
  /** There is nothing here, but something at the name with the zone appended once more. */
  readonly doubled?: boolean | undefined;
}

/** How a server answered when first asked. */
export interface ServerState {
  readonly source: string;
  readonly kind: Answer["kind"];
  /** The zone that it is to know; undefined for a resolver. */
  readonly zone?: string | undefined;
  /**
   * Undefined: it answers as it should. `silent`: nothing came; else it said that it doesn't know the zone. `noWay`: this
   * machine has no IPv6, and the server was asked nothing.
   */
  readonly fault?: { readonly silent: boolean; readonly text: string; readonly noWay?: boolean } | undefined;
}

/** What happens to a zone's name servers before they can be asked. */
export interface ZoneState {
  readonly zone: string;
  /** Why nobody could be found to ask. */
  readonly fault?: { readonly absent: boolean; readonly text: string } | undefined;
}

export type Area = "Name servers" | "Records" | "Services" | "Sending host" | "Host" | "Kept mail";

/** One thing looked at. */
export interface Check {
  readonly area: Area;
  readonly about: string;
  readonly findings: readonly Finding[];
  /** Why it can't be told. */
  readonly unknown?: string | undefined;
}

/** What has to be known of the stack to judge its records. */
export interface Expectation {
  readonly provider: "dev" | "gandi" | "none";
  readonly domains: readonly string[];
  readonly mx: string;
  /** Public halves of the keys that smtp-out signs with. */
  readonly signing: readonly {
    readonly domain: string;
    readonly selector: string;
    readonly publicKey: string;
  }[];
}

/** The name in full. */
export const fullName = ({ zone, name }: Pick<Wanted, "zone" | "name">): string =>
  name === "@" ? zone : `${name}.${zone}`;
