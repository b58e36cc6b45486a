import * as pulumi from "@pulumi/pulumi";
import { RecordSeen } from "./providers/record-seen/resource.ts";
import type { RecordArgs, RecordProvider } from "./record-provider.ts";
import { TYPES } from "./types.ts";

export interface MailDomainArgs {
  /** Who serves the zones; undefined where the records are only shown. */
  provider: RecordProvider | undefined;
  /** Addresses of the name servers; empty: those that DNS names. */
  servers: readonly string[];
  /** How long keys are waited for to be seen, in seconds; 0: not at all. */
  patienceSeconds: number;
}

/** The records of the mail domains. */
export class MailDomain extends pulumi.ComponentResource {
  private readonly args: MailDomainArgs;

  constructor(name: string, args: MailDomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailDomain, name, {}, opts);
    this.args = args;
    this.registerOutputs({});
  }

  /** Publishes keys. What signs with them comes after what this gives: each was seen on every name server. */
  publishKeys(records: readonly RecordArgs[], after: pulumi.Resource[]): pulumi.Resource[] {
    const { servers, patienceSeconds } = this.args;
    return records.flatMap((record) =>
      this.record(record, after).map((published) => {
        const { zone, name, values } = record;
        const [value = ""] = values;
        return new RecordSeen(
          `${labelOf(record)}-seen`,
          { zone, name, value, servers: [...servers], patienceSeconds },
          { parent: this, dependsOn: [published] },
        );
      }),
    );
  }

  /**
   * Publishes what tells of services. MX comes last and goes first: the world is told of us only while we are there.
   * `after`: the services, which come before each record and go after it. Gives all of the records.
   */
  publish(records: readonly RecordArgs[], after: pulumi.Resource[]): pulumi.Resource[] {
    const isMx = (record: RecordArgs) => record.type === "MX";
    const before = records.filter((record) => !isMx(record)).flatMap((record) => this.record(record, after));
    const last = records.filter(isMx).flatMap((record) => this.record(record, [...after, ...before]));
    return [...before, ...last];
  }

  private record(record: RecordArgs, dependsOn: pulumi.Resource[]): pulumi.Resource[] {
    const { provider } = this.args;
    if (!provider) return [];
    // A component's own dependsOn is not its children's when they are deleted.
    const opts = { parent: this, dependsOn, ...(record.shared ? { retainOnDelete: true } : {}) };
    return [provider(`${labelOf(record)}-${record.type}`, record, opts)];
  }
}

const labelOf = ({ name, zone }: RecordArgs): string => (name === "@" ? zone : `${name}.${zone}`);
