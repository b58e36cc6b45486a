import * as pulumi from "@pulumi/pulumi";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { TYPES } from "./types.ts";

export interface GuardArgs {
  host: MailHost;
  image: ImageRef;
  /** The boxes' network. */
  network: string;
  /** Addresses of the front services on it. */
  front: readonly string[];
  /** Ports of a box that they may open. */
  ports: readonly number[];
}

const MEMORY_MB = 32;

/**
 * Keeps the boxes apart on the host's firewall. The engine lets nobody on their network speak with anybody; this lets the
 * front services speak to them. It is the one container with a capability, and it listens nowhere.
 */
export class Guard extends pulumi.ComponentResource {
  readonly container: EngineContainer;
  readonly containerName: string;

  constructor(
    name: string,
    { host, image, network, front, ports }: GuardArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super(TYPES.guard, name, {}, opts);
    this.containerName = `${host.prefix}-guard`;
    this.container = serviceContainer(
      `${name}-rules`,
      {
        host,
        name: "guard",
        kind: "service",
        image,
        user: 0,
        capabilities: ["NET_ADMIN", "NET_RAW"],
        memoryMb: MEMORY_MB,
        networks: [],
        hostNetwork: true,
        envs: [
          `GUARD_BRIDGE=${host.bridge}`,
          `GUARD_NETWORK=${network}`,
          `GUARD_FRONT=${front.join(" ")}`,
          `GUARD_PORTS=${ports.join(" ")}`,
        ],
        healthEvery: 10,
        wait: true,
      },
      // Its rules name the network's interface.
      { parent: this, dependsOn: [host.boxes] },
    );
    this.registerOutputs({});
  }
}
