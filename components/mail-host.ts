import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { labels, type PublishedPort } from "./container.ts";
import { TYPES } from "./types.ts";

export interface MailHostArgs {
  /** Begins the name of everything that the stack owns on the host. */
  prefix: string;
  /** Where the Docker engine is; undefined for the one that this machine's `docker` talks to. */
  engine?: pulumi.Input<string> | undefined;
  /** The addresses on which ports are published. */
  binds: readonly string[];
  /** Subnets of the services' and of the boxes' network. */
  subnets: { front: string; front6?: string | undefined; boxes: string };
}

/** The machine that carries the mail system: its Docker engine and the stack's two networks. */
export class MailHost extends pulumi.ComponentResource {
  readonly prefix: string;
  readonly binds: readonly string[];
  readonly provider: docker.Provider;
  /** Where the services are. */
  readonly front: docker.Network;
  /** Where the boxes are; no way out of it. */
  readonly boxes: docker.Network;

  constructor(name: string, args: MailHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailHost, name, {}, opts);
    this.prefix = args.prefix;
    this.binds = args.binds;
    this.provider = new docker.Provider(`${name}-engine`, args.engine ? { host: args.engine } : {}, {
      parent: this,
    });
    const { front, front6, boxes } = args.subnets;
    this.front = this.network(`${name}-front`, "front", { internal: false, subnets: [front, front6] });
    this.boxes = this.network(`${name}-boxes`, "boxes", { internal: true, subnets: [boxes] });
    this.registerOutputs({ front: this.front.name, boxes: this.boxes.name });
  }

  /** The ports on every address of the host that is published. */
  published(internal: number, external: number): PublishedPort[] {
    return this.binds.map((ip) => ({ internal, external, ip }));
  }

  private network(
    name: string,
    kind: "front" | "boxes",
    { internal, subnets }: { internal: boolean; subnets: readonly (string | undefined)[] },
  ): docker.Network {
    const known = subnets.flatMap((subnet) => (subnet === undefined ? [] : [{ subnet }]));
    return new docker.Network(
      name,
      {
        name: `${this.prefix}-${kind}`,
        internal,
        // Without it the engine's proxy would be the client of whatever comes over IPv6.
        ...(known.length > 1 ? { ipv6: true } : {}),
        ipamConfigs: known,
        labels: labels(this.prefix, "network"),
      },
      { parent: this, provider: this.provider, deleteBeforeReplace: true },
    );
  }
}
