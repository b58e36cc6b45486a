import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { labels } from "./container.ts";
import { TYPES } from "./types.ts";

export interface MailHostArgs {
  /** Begins the name of everything that the stack owns on the host. */
  prefix: string;
  /** Where the Docker engine is; undefined for the one that this machine's `docker` talks to. */
  engine?: string;
  /** The address on which ports are published. */
  bind: string;
  /** Subnets of the services' and of the boxes' network. */
  subnets: { front: string; boxes: string };
}

/** The machine that carries the mail system: its Docker engine and the stack's two networks. */
export class MailHost extends pulumi.ComponentResource {
  readonly prefix: string;
  readonly bind: string;
  readonly provider: docker.Provider;
  /** Where the services are. */
  readonly front: docker.Network;
  /** Where the boxes are; no way out of it. */
  readonly boxes: docker.Network;

  constructor(name: string, args: MailHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailHost, name, {}, opts);
    this.prefix = args.prefix;
    this.bind = args.bind;
    this.provider = new docker.Provider(`${name}-engine`, args.engine ? { host: args.engine } : {}, {
      parent: this,
    });
    this.front = this.network(`${name}-front`, { ...args, kind: "front", internal: false });
    this.boxes = this.network(`${name}-boxes`, { ...args, kind: "boxes", internal: true });
    this.registerOutputs({ front: this.front.name, boxes: this.boxes.name });
  }

  private network(
    name: string,
    args: Pick<MailHostArgs, "prefix" | "subnets"> & { kind: "front" | "boxes"; internal: boolean },
  ): docker.Network {
    return new docker.Network(
      name,
      {
        name: `${args.prefix}-${args.kind}`,
        internal: args.internal,
        ipamConfigs: [{ subnet: args.subnets[args.kind] }],
        labels: labels(args.prefix, "network"),
      },
      { parent: this, provider: this.provider, deleteBeforeReplace: true },
    );
  }
}
