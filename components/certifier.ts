import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import {
  CERTIFICATES_FOLDER,
  CertifierSettings,
  SERVED_FOLDER,
  type TlsSettings,
} from "../mailserver/contract.ts";
import { type EngineContainer, type ServiceArgs, serviceContainer } from "./container.ts";
import type { Keys } from "./keys.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { TYPES } from "./types.ts";
import { dataVolume } from "./volume.ts";

/** Where a service finds the certificate that it shows. */
export interface TlsSource {
  /** Its settings. */
  readonly settings: TlsSettings;
  /** The folder of `tls.crt` and `tls.key`. */
  readonly folder: string;
  /** What its container gets. */
  readonly given: Pick<ServiceArgs, "liveFiles" | "volumes">;
  /** What must be there first. */
  readonly after: pulumi.Resource[];
}

const SETTINGS = "/settings";

const filesIn = (folder: string): TlsSettings => ({
  certificateFile: `${folder}/tls.crt`,
  keyFile: `${folder}/tls.key`,
});

/** A certificate that an update brings, among the settings of each service; `key` is a secret. */
export function givenTls({
  certificate,
  key,
}: Record<"certificate" | "key", pulumi.Input<string>>): TlsSource {
  return {
    settings: filesIn(SETTINGS),
    folder: SETTINGS,
    given: { liveFiles: { "tls.crt": certificate, "tls.key": key } },
    after: [],
  };
}

export interface CertifierArgs {
  host: MailHost;
  image: ImageRef;
  keys: Keys;
  /** On the front network. */
  address: string;
  resolver: string;
  /** Address of the authority's ACME directory. */
  directory: string;
  contact: readonly string[];
  roots: readonly string[];
  names: readonly string[];
  /** Of domains that are given up: in the certificate for as long as they can be proven. */
  leaving: readonly string[];
  zones: readonly string[];
  eab: { keyId: string; key: pulumi.Input<string> } | undefined;
  /** How records are written; `nameServers` are those of the zones, empty: those that DNS names. */
  records: { url: string; token: pulumi.Input<string>; nameServers: readonly string[] };
  /** Seconds for which others may remember a TLSA record from before. */
  holdSeconds: number;
  /** What serves the records. */
  after: pulumi.Resource[];
}

const USER = 5028;
const MEMORY_MB = 160;

/** Has a public authority issue the certificate that the services show, and keeps it fresh; they mount its volume. */
export class Certifier extends pulumi.ComponentResource {
  readonly container: EngineContainer;
  readonly volume: docker.Volume;
  readonly tls: TlsSource;

  constructor(name: string, args: CertifierArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.certifier, name, {}, opts);
    const { host, image, keys, address, eab, records } = args;
    if (!keys.acme) throw new RangeError("the keys are without an account at an authority");
    this.volume = dataVolume(
      `${name}-certificates`,
      // What is on it can be had again.
      { host, name: "certificates", kind: "certificate", policy: { protect: false, keepVolumes: false } },
      { parent: this },
    );
    this.container = serviceContainer(
      `${name}-server`,
      {
        host,
        name: "certifier",
        kind: "service",
        image,
        user: USER,
        memoryMb: MEMORY_MB,
        networks: [{ network: host.front, alias: "certifier", ipv4: address }],
        files: {
          "settings.json": settings(args),
          "account.key": keys.acme.account.privateKeyPem,
          "dns-token": records.token,
          ...(eab ? { "eab.key": eab.key } : {}),
        },
        liveFiles: { "tls.crt": keys.tls.certificate, "tls.key": keys.tls.key },
        volumes: [{ volume: this.volume, path: CERTIFICATES_FOLDER }],
        wait: true,
      },
      { parent: this, dependsOn: args.after },
    );
    this.tls = {
      settings: filesIn(SERVED_FOLDER),
      folder: SERVED_FOLDER,
      given: { volumes: [{ volume: this.volume, path: CERTIFICATES_FOLDER, readOnly: true }] },
      // It has put the stack's own certificate there by then.
      after: [this.container],
    };
    this.registerOutputs({});
  }
}

function settings(args: CertifierArgs): string {
  const { directory, contact, names, leaving, zones, roots, eab, records, resolver, address, holdSeconds } =
    args;
  return `${JSON.stringify(
    CertifierSettings.parse({
      directory,
      contact,
      names,
      leaving,
      zones,
      roots,
      ...(eab ? { eab: { keyId: eab.keyId } } : {}),
      records: { apiUrl: records.url, nameServers: records.nameServers, resolvers: [resolver] },
      holdMs: holdSeconds * 1_000,
      metricsAddress: address,
    }),
  )}\n`;
}
