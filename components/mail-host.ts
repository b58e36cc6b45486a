import { createHash } from "node:crypto";
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
  /** How many times longer than on any usual machine its services may take to start and to say how they are. */
  patience: number;
  /** Subnets of the services' and of the boxes' network; the engine takes the boxes' addresses from `boxRange`. */
  subnets: { front: string; front6?: string | undefined; boxes: string; boxRange: string };
}

/** The machine that carries the mail system: its Docker engine and the stack's two networks. */
export class MailHost extends pulumi.ComponentResource {
  readonly prefix: string;
  readonly binds: readonly string[];
  readonly patience: number;
  /** Undefined for the one that this machine's `docker` talks to. */
  readonly engine: pulumi.Output<string | undefined>;
  readonly provider: docker.Provider;
  /** Where the services are. */
  readonly front: docker.Network;
  /** Where the boxes are: no way out, and by itself none from one to another, or to the host. */
  readonly boxes: docker.Network;
  /** Its interface on the host. */
  readonly bridge: string;

  constructor(name: string, args: MailHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailHost, name, {}, opts);
    this.prefix = args.prefix;
    this.binds = args.binds;
    this.patience = args.patience;
    this.engine = pulumi.output(args.engine);
    this.provider = new docker.Provider(`${name}-engine`, args.engine ? { host: args.engine } : {}, {
      parent: this,
    });
    this.bridge = `sm-${createHash("sha256").update(args.prefix).digest("hex").slice(0, 10)}`;
    const { front, front6, boxes, boxRange } = args.subnets;
    this.front = this.network(`${name}-front`, "front", {
      // Without it the engine's proxy would be the client of whatever comes over IPv6.
      ...(front6 === undefined ? {} : { ipv6: true }),
      ipamConfigs: [{ subnet: front }, ...(front6 === undefined ? [] : [{ subnet: front6 }])],
    });
    this.boxes = this.network(`${name}-cells`, "cells", {
      internal: true,
      ipamConfigs: [{ subnet: boxes, ipRange: boxRange }],
      options: {
        "com.docker.network.bridge.name": this.bridge,
        // Nobody speaks with anybody: what may be is in components/guard.ts.
        "com.docker.network.bridge.enable_icc": "false",
        // The host has no address there. Engines before 20.10 know nothing of it; the guard's rules hold there, too.
        "com.docker.network.bridge.inhibit_ipv4": "true",
      },
    });
    this.registerOutputs({ front: this.front.name, boxes: this.boxes.name });
  }

  /** The ports on every address of the host that is published. */
  published(internal: number, external: number): PublishedPort[] {
    return this.binds.map((ip) => ({ internal, external, ip }));
  }

  private network(name: string, kind: string, args: docker.NetworkArgs): docker.Network {
    return new docker.Network(
      name,
      { internal: false, ...args, name: `${this.prefix}-${kind}`, labels: labels(this.prefix, "network") },
      { parent: this, provider: this.provider, deleteBeforeReplace: true },
    );
  }
}
