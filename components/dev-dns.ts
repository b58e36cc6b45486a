import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { TYPES } from "./types.ts";
import { dataVolume } from "./volume.ts";

export interface DevDnsArgs {
  host: MailHost;
  image: ImageRef;
  /** Zones that are there from the start. */
  zones: string[];
  token: pulumi.Output<string>;
  /** Static address on the front network. */
  address: string;
  /** Loopback port of the API. */
  apiPort: number;
}

const USER = 5053;

/** A name server for development: Knot DNS with an API compatible with Gandi's LiveDNS. */
export class DevDns extends pulumi.ComponentResource {
  readonly container: EngineContainer;
  readonly volume: docker.Volume;
  /** Base URL of the API, for the machine that runs Pulumi. */
  readonly apiUrl: string;
  /** Secret. */
  readonly token: pulumi.Output<string>;

  constructor(name: string, args: DevDnsArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.devDns, name, {}, opts);
    this.apiUrl = `http://127.0.0.1:${args.apiPort}/v5/livedns`;
    this.token = args.token;
    this.volume = dataVolume(
      `${name}-zones`,
      { host: args.host, name: "livedns", kind: "zone", policy: { protect: false, keepVolumes: false } },
      { parent: this },
    );
    this.container = serviceContainer(
      `${name}-server`,
      {
        host: args.host,
        name: "livedns",
        kind: "service",
        image: args.image,
        user: USER,
        memoryMb: 256,
        networks: [{ network: args.host.front, alias: "livedns", ipv4: args.address }],
        envs: [`LIVEDNS_ZONES=${args.zones.join(" ")}`, `LIVEDNS_NS_ADDRESS=${args.address}`],
        files: { token: args.token },
        volumes: [{ volume: this.volume, path: "/var/lib/knot" }],
        ports: [{ internal: 8080, external: args.apiPort, ip: "127.0.0.1" }],
        wait: true,
      },
      { parent: this },
    );
    this.registerOutputs({ apiUrl: this.apiUrl });
  }
}
