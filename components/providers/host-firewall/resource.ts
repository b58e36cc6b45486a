import type * as pulumi from "@pulumi/pulumi";
import type { HostAccess } from "../../../tools/remote/access.ts";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a HostFirewall. */
export interface HostFirewallArgs {
  /** Whose rules they are: a host has the rules of one stack. */
  stack: pulumi.Input<string>;
  access: pulumi.Input<HostAccess>;
  /** Where the connection to the host is kept, relative to the project's folder. */
  folder: pulumi.Input<string>;
  /** TCP ports that everybody may reach. */
  ports: pulumi.Input<number[]>;
  /** Names the host's system, where that may be replaced: a new one has no rules. */
  system?: pulumi.Input<string> | undefined;
}

const provider = shim("components/providers/host-firewall/crud.ts");

/** The packet filter of a host that does nothing else: ssh and these ports are let in. */
export class HostFirewall extends ShimResource {
  constructor(name: string, args: HostFirewallArgs, opts: pulumi.CustomResourceOptions = {}) {
    super(provider, name, { ...args }, opts, "HostFirewall");
  }
}
