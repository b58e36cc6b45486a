import type * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a RecordSeen. */
export interface RecordSeenArgs {
  /** The domain in whose zone the record is. */
  zone: pulumi.Input<string>;
  /** Relative to the zone. */
  name: pulumi.Input<string>;
  /** Text of the TXT record, in one piece. */
  value: pulumi.Input<string>;
  /** Addresses of the zone's name servers. Default: those that DNS names. */
  servers?: pulumi.Input<string[]>;
  /** How long it is waited for; 0: not at all. */
  patienceSeconds: pulumi.Input<number>;
}

const provider = shim("components/providers/record-seen/crud.ts");

/**
 * A TXT record that every authoritative name server of its zone was seen to have. What depends on it starts only then:
 * a signature whose key nobody finds is worse than none (RFC 6376 section 3.6.2.2).
 */
export class RecordSeen extends ShimResource {
  constructor(name: string, args: RecordSeenArgs, opts: pulumi.CustomResourceOptions = {}) {
    super(provider, name, { ...args }, opts, "RecordSeen");
  }
}
