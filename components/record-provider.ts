/** Who serves the zones: what a DNS provider has to be able to, and Gandi. */
import { Record as LiveDnsRecord } from "@pulumi/gandi";
import type * as pulumi from "@pulumi/pulumi";

/** All values of a name and type. */
export interface RecordArgs {
  /** The domain in whose zone it is. */
  readonly zone: string;
  /** Relative to the zone; `@` is the zone itself. */
  readonly name: string;
  readonly type: string;
  /** Seconds. */
  readonly ttl: number;
  /** As in a zone file, host names with their dot at the end; TXT as one text without quotes. */
  readonly values: readonly pulumi.Input<string>[];
  /** Others have values in it, too: taken over with them, and left when the stack goes. */
  readonly shared?: boolean;
}

/**
 * Declares one record set as a resource of the provider's, and gives it back. It is created before and deleted after what
 * `opts.dependsOn` says, by that resource; nothing else is asked of a provider.
 */
export type RecordProvider = (
  label: string,
  record: RecordArgs,
  opts: pulumi.CustomResourceOptions,
) => pulumi.Resource;

export interface LiveDnsArgs {
  readonly url: pulumi.Input<string>;
  /** Default: the environment's, read when an operation runs. */
  readonly token: pulumi.Input<string> | undefined;
  readonly adoptExisting: boolean;
  /** Whether a zone is kept as it is before the first change of an update. */
  readonly snapshot: boolean;
}

/** Gandi's LiveDNS, or what speaks its API. */
export function liveDnsRecords({ url, token, adoptExisting, snapshot }: LiveDnsArgs): RecordProvider {
  const auth = token === undefined ? { apiUrl: url } : { apiUrl: url, token };
  return (label, { zone, name, type, ttl, values, shared = false }, opts) =>
    new LiveDnsRecord(
      label,
      {
        ...{ auth, zone, name, type, ttl, snapshot },
        values: [...values],
        adoptExisting: adoptExisting || shared,
      },
      opts,
    );
}
