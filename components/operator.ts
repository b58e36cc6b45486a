import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { TYPES } from "./types.ts";
import { dataVolume } from "./volume.ts";

/** What the operator is given of the machine, everything at the path that it has there. */
export interface OperatorMachine {
  /** The checkout. */
  readonly root: string;
  readonly stack: string;
  readonly user: number;
  readonly group: number;
  readonly binds: readonly { path: string; readOnly: boolean }[];
  /** PATH in the container. */
  readonly path: string;
  readonly pulumiHome: string;
}

export interface OperatorArgs {
  host: MailHost;
  image: ImageRef;
  machine: OperatorMachine;
}

/** Where the socket's volume is mounted, here and in the portal. */
export const OPERATOR_SOCKETS = "/run/semail/operator";
/** Pulumi, its two plugins and the program, beside the operator itself. */
const MEMORY_MB = 1_024;

/** The one part that may change the stack. Nothing is published; whoever mounts `sockets` may ask it. */
export class Operator extends pulumi.ComponentResource {
  readonly container: EngineContainer;
  readonly sockets: docker.Volume;

  constructor(name: string, { host, image, machine }: OperatorArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.operator, name, {}, opts);
    this.sockets = dataVolume(
      `${name}-sockets`,
      { host, name: "operator", kind: "socket", policy: { protect: false, keepVolumes: false } },
      { parent: this },
    );
    this.container = serviceContainer(
      `${name}-server`,
      {
        host,
        name: "operator",
        kind: "service",
        image,
        user: machine.user,
        group: machine.group,
        memoryMb: MEMORY_MB,
        networks: [],
        // The providers that an update runs reach the directory and the DNS API at 127.0.0.1 of the host.
        hostNetwork: true,
        envs: [
          `SEMAIL_ROOT=${machine.root}`,
          `SEMAIL_STACK=${machine.stack}`,
          `SEMAIL_OPERATOR_PLACE=${JSON.stringify(machine)}`,
          `PATH=${machine.path}`,
          `PULUMI_HOME=${machine.pulumiHome}`,
          "HOME=/tmp",
        ],
        tmpfs: { tmp: "128m" },
        binds: machine.binds,
        volumes: [{ volume: this.sockets, path: OPERATOR_SOCKETS }],
        wait: true,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
