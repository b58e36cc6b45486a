import * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** How Pulumi reaches the directory. */
export interface LdapConnection {
  /** `ldap://host:port` */
  readonly url: string;
  readonly bindDn: string;
  readonly password: string;
}

/** Arguments of an LdapEntry. */
export interface LdapEntryArgs {
  /** Secret, since it holds the bind password. */
  connection: pulumi.Input<LdapConnection>;
  /** Distinguished name (RFC 4514), values escaped. Another DN replaces the entry. */
  dn: pulumi.Input<string>;
  /** Values by attribute. An empty list says that the entry must not have the attribute. */
  attributes: pulumi.Input<Record<string, pulumi.Input<pulumi.Input<string>[]>>>;
  /** Secret. Set when the entry is made, and not touched again unless `managePassword`. */
  password?: pulumi.Input<string>;
  /** Keep the password as given here; for service accounts. */
  managePassword?: pulumi.Input<boolean>;
  /**
   * Attributes whose values only one entry beside this one may have, such as addresses. A value that moves here from
   * another entry is taken out there: Pulumi deletes entries last, and updates them in no order.
   */
  exclusive?: pulumi.Input<string[]>;
  /** Whose entry it is. Another holder's is made anew under the same DN, so that no password comes to somebody else. */
  holder?: pulumi.Input<string>;
  /** Take over an entry that exists already. */
  adopt?: pulumi.Input<boolean>;
}

const provider = shim("components/providers/ldap-entry/crud.ts");

/** An entry of the directory. Drift in the attributes named here shows at the next refresh. */
export class LdapEntry extends ShimResource {
  declare readonly dn: pulumi.Output<string>;

  constructor(name: string, args: LdapEntryArgs, opts: pulumi.CustomResourceOptions = {}) {
    const secret = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["connection", "password"] });
    super(
      provider,
      name,
      {
        ...args,
        connection: pulumi.secret(args.connection),
        password: args.password === undefined ? undefined : pulumi.secret(args.password),
      },
      secret,
      "LdapEntry",
    );
  }
}
