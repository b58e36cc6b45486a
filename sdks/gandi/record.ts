import * as pulumi from "@pulumi/pulumi";
import { RECORD_TYPE } from "./diff.ts";
import { shim } from "./shim.ts";

/** How to reach LiveDNS. */
export interface AuthArgs {
  /** Default https://api.gandi.net/v5/livedns. Plain http is for loopback and private addresses only. */
  apiUrl?: pulumi.Input<string>;
  /** A personal access token; kept secret. Default: the environment's GANDI_PERSONAL_ACCESS_TOKEN, read when needed. */
  token?: pulumi.Input<string>;
}

/** Arguments of a Record. */
export interface RecordArgs {
  /** The zone, e.g. `example.org`. */
  zone: pulumi.Input<string>;
  /** The name relative to the zone; `@` is the zone itself. */
  name: pulumi.Input<string>;
  /** `A`, `MX`, `TXT`, … */
  type: pulumi.Input<string>;
  /** Seconds, 300 to 2592000; default 10800. */
  ttl?: pulumi.Input<number>;
  /**
   * The values, in any order. Host names are relative to the zone unless they end in a dot. A TXT value is the bare
   * text, quoted and split for you; one that begins with a double quote is taken as DNS presentation format.
   */
  values: pulumi.Input<pulumi.Input<string>[]>;
  /** Take over, and overwrite, a record set that exists already. Without it such a record set is an error. */
  adoptExisting?: pulumi.Input<boolean>;
  /** Have LiveDNS keep a snapshot of the zone before the first change of an update; default true. */
  snapshot?: pulumi.Input<boolean>;
  auth?: AuthArgs;
}

/** Of every Record; what `pulumi import` has to be told. */
export const provider = shim("@pulumi/gandi/crud.ts");

/**
 * A LiveDNS record set: everything that a zone says about one name and type. A dynamic resource, but for
 * `pulumi.dynamic.Resource`, which takes a second to serialise a provider that is a text already.
 */
export class Record extends pulumi.CustomResource {
  declare readonly zone: pulumi.Output<string>;
  declare readonly name: pulumi.Output<string>;
  declare readonly type: pulumi.Output<string>;
  declare readonly ttl: pulumi.Output<number>;
  declare readonly values: pulumi.Output<string[]>;

  constructor(name: string, args: RecordArgs, opts: pulumi.CustomResourceOptions = {}) {
    const { token, ...auth } = args.auth ?? {};
    const secret = token === undefined ? auth : { ...auth, token: pulumi.secret(token) };
    // Deleting and reading see the outputs only: so auth is one of them, and encrypted there as well.
    const options = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["auth"] });
    super(RECORD_TYPE, name, { ...args, auth: secret, __provider: provider }, options);
  }
}
