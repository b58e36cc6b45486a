import { Record as DnsRecord } from "@pulumi/gandi";
import * as pulumi from "@pulumi/pulumi";
import { TYPES } from "./types.ts";

/** All values of a name and type. */
export interface RecordArgs {
  /** The domain in whose zone it is. */
  readonly zone: string;
  /** Relative to the zone; `@` is the zone itself. */
  readonly name: string;
  readonly type: string;
  /** Seconds. */
  readonly ttl: number;
  readonly values: readonly pulumi.Input<string>[];
}

export interface MailDomainArgs {
  /** The LiveDNS API that serves the zone; undefined where the records are only shown. */
  api: { url: pulumi.Input<string>; token: pulumi.Input<string> } | undefined;
  /** Of one domain or several. */
  records: readonly RecordArgs[];
  adoptExisting: boolean;
  /** What the records tell of, and what serves them. They come after it and go before it, each of them. */
  after: pulumi.Resource[];
}

/** The records of the mail domain. MX comes last and goes first: the world is told of us only while we are there. */
export class MailDomain extends pulumi.ComponentResource {
  constructor(name: string, args: MailDomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailDomain, name, {}, opts);
    const isMx = (record: RecordArgs) => record.type === "MX";
    const before = args.records
      .filter((record) => !isMx(record))
      .flatMap((record) => this.record(record, args, []));
    for (const record of args.records.filter(isMx)) this.record(record, args, before);
    this.registerOutputs({});
  }

  private record(record: RecordArgs, args: MailDomainArgs, dependsOn: pulumi.Resource[]): pulumi.Resource[] {
    if (!args.api) return [];
    const label = record.name === "@" ? record.zone : `${record.name}.${record.zone}`;
    const resource = new DnsRecord(
      `${label}-${record.type}`,
      {
        auth: { apiUrl: args.api.url, token: args.api.token },
        zone: record.zone,
        name: record.name,
        type: record.type,
        ttl: record.ttl,
        values: [...record.values],
        adoptExisting: args.adoptExisting,
      },
      // A component's own dependsOn is not its children's when they are deleted.
      { parent: this, dependsOn: [...args.after, ...dependsOn] },
    );
    return [resource];
  }
}
