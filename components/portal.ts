import * as pulumi from "@pulumi/pulumi";
import { PortalSettings } from "../mailserver/contract.ts";
import type { TlsSource } from "./certifier.ts";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { Directory } from "./directory.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { RELAY } from "./mail-ports.ts";
import { OPERATOR_SOCKETS, type Operator } from "./operator.ts";
import { TYPES } from "./types.ts";
import { dataVolume } from "./volume.ts";

export interface PortalArgs {
  host: MailHost;
  image: ImageRef;
  directory: Directory;
  /** What it hands test mails to smtp-out with. */
  relayPassword: pulumi.Input<string>;
  tls: TlsSource;
  operator: Operator;
  domains: readonly string[];
  hostnames: { mx: string; smtp: string; imap: string };
  ports: Readonly<Record<"submission" | "submissions" | "imap" | "imaps" | "sieve", number>>;
  /** On the front network. */
  address: string;
  resolver: string;
  /** Texts of the MTA-STS policies, by domain. */
  mtaStsPolicies: Readonly<Record<string, string>>;
  /** On the host. */
  port: number;
}

const USER = 5027;
const PORT = 8443;
const STATE = "/var/lib/semail-portal";
const MEMORY_MB = 160;

/** The web pages where people look after their own mailbox. */
export class Portal extends pulumi.ComponentResource {
  readonly container: EngineContainer;

  constructor(name: string, args: PortalArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.portal, name, {}, opts);
    const { host, image, directory, tls, operator, address, port } = args;
    const login = directory.login("portal");
    // Who typed wrong passwords: nothing that anybody would miss.
    const state = dataVolume(
      `${name}-state`,
      { host, name: "portal", kind: "state", policy: { protect: false, keepVolumes: false } },
      { parent: this },
    );
    const files = pulumi
      .all([login.password, args.relayPassword])
      .apply(([password, relayPassword]) => settings(args, login, { password, relayPassword }));
    this.container = serviceContainer(
      `${name}-server`,
      {
        host,
        name: "portal",
        kind: "service",
        image,
        user: USER,
        memoryMb: MEMORY_MB,
        networks: [{ network: host.front, alias: "portal", ipv4: address }],
        files: { "settings.json": files },
        ...tls.given,
        volumes: [
          { volume: operator.sockets, path: OPERATOR_SOCKETS },
          { volume: state, path: STATE },
          ...(tls.given.volumes ?? []),
        ],
        ports: host.published(PORT, port),
        wait: true,
      },
      { parent: this, dependsOn: [login.entry, operator.container, ...tls.after] },
    );
    this.registerOutputs({});
  }
}

function settings(
  { domains, hostnames, tls, ports, address, resolver, mtaStsPolicies }: PortalArgs,
  login: { url: string; bindDn: string; peopleDn: string },
  { password, relayPassword }: { password: string; relayPassword: string },
): string {
  const { url, bindDn, peopleDn } = login;
  return `${JSON.stringify(
    PortalSettings.parse({
      domains,
      mxHosts: [hostnames.mx],
      servers: {
        imap: { host: hostnames.imap, imaps: ports.imaps, starttls: ports.imap },
        smtp: { host: hostnames.smtp, submissions: ports.submissions, starttls: ports.submission },
        sieve: ports.sieve,
      },
      directory: { url, bindDn, peopleDn, password },
      tls: tls.settings,
      relay: { host: RELAY.host, port: RELAY.port, user: RELAY.users.portal, password: relayPassword },
      stateDir: STATE,
      port: PORT,
      metricsAddress: address,
      resolvers: [resolver],
      mtaStsPolicies,
    }),
  )}\n`;
}
