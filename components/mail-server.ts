import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import {
  type ClientSettings,
  type DkimSettings,
  type SenderSettings,
  type SendingSettings,
  SmtpInSettings,
  SmtpOutSettings,
} from "../mailserver/contract.ts";
import type { TlsSource } from "./certifier.ts";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { Directory, ServiceLogin } from "./directory.ts";
import type { Keys } from "./keys.ts";
import type { MailHost } from "./mail-host.ts";
import type { MailImages } from "./mail-images.ts";
import { LMTP_PORT, LOGIN_GUARD_PORT, RELAY, REPLY_PORT } from "./mail-ports.ts";
import type { KeyPair } from "./providers/key-pair/resource.ts";
import { TYPES } from "./types.ts";
import { type DataPolicy, dataVolume } from "./volume.ts";

/** Static addresses of the services on the front network. */
export interface ServiceAddresses {
  readonly smtpIn: string;
  readonly smtpOut: string;
  readonly access: string;
  readonly resolver: string;
}

/** How mail from other servers is received. */
export interface InboundArgs {
  /** Processes that receive mail. */
  readonly workers: number;
  readonly tagSeparator: string;
  /** Address that gets what nobody else is known for. */
  readonly catchAll: string | undefined;
  readonly dmarcReject: SenderSettings["reject"];
  readonly dmarcQuarantine: SenderSettings["quarantine"];
  readonly dnsFailure: SenderSettings["dnsFailure"];
  readonly clients: ClientSettings;
}

/** How mail is sent to other servers. */
export interface OutboundArgs {
  /** Networks that are not public and to which mail may be sent all the same. */
  readonly allowTargets: readonly string[];
  /** Domains whose DANE records and MTA-STS policy are not heeded. */
  readonly tls: { readonly exempt: readonly string[]; readonly reports: boolean };
  /** What one person may send. */
  readonly limits: SendingSettings;
  /** Received fields of what people send tell from where they wrote. */
  readonly showClient: boolean;
  readonly notices: SmtpOutSettings["notices"];
}

export interface MailServerArgs {
  host: MailHost;
  images: MailImages;
  directory: Directory;
  keys: Keys;
  tls: TlsSource;
  /** Whose mail is ours. */
  domains: readonly string[];
  hostnames: { mx: string; smtp: string };
  addresses: ServiceAddresses;
  /** Their addresses on the boxes' network. */
  atBoxes: Readonly<Record<"smtpIn" | "smtpOut" | "access", string>>;
  /** Networks that may ask the resolver. */
  subnets: { front: string };
  /** Name servers that the resolver asks instead of the public ones, by domain. */
  stubs: Readonly<Record<string, string>>;
  ports: Readonly<Record<"smtp" | "submission" | "submissions" | "imap" | "imaps" | "sieve", number>> & {
    readonly pop3s?: number;
  };
  inbound: InboundArgs;
  outbound: OutboundArgs;
  /** What mail is signed with: one signature by each. */
  signing: readonly { readonly selector: string; readonly pair: KeyPair }[];
  /** What must be there before anything is signed. */
  signable: pulumi.Resource[];
  policy: DataPolicy;
}

/** The uids that the images run as. */
const USERS = { resolver: 5003, smtpIn: 5025, smtpOut: 5026, access: 5002 };
/** Of the process that watches and of each that serves (mailserver/images/smtp-in). */
const SMTP_IN_MEMORY_MB = { primary: 96, worker: 320 };

/** The services that strangers and people talk to: smtp-in, smtp-out, access, and the resolver that they ask. */
export class MailServer extends pulumi.ComponentResource {
  readonly resolver: EngineContainer;
  readonly queue: docker.Volume;
  readonly spool: docker.Volume;
  readonly smtpIn: EngineContainer;
  readonly smtpOut: EngineContainer;
  readonly access: EngineContainer;
  private readonly args: MailServerArgs;
  private readonly id: string;

  constructor(name: string, args: MailServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailServer, name, {}, opts);
    this.args = args;
    this.id = name;
    this.resolver = this.makeResolver();
    this.queue = this.makeQueue(`${name}-queue`, "smtp-out-queue");
    this.spool = this.makeQueue(`${name}-in-queue`, "smtp-in-queue");
    this.smtpOut = this.makeSmtpOut();
    this.smtpIn = this.makeSmtpIn();
    this.access = this.makeAccess();
    this.registerOutputs({});
  }

  private makeQueue(resource: string, name: string): docker.Volume {
    const { host, policy } = this.args;
    return dataVolume(resource, { host, name, kind: "queue", policy }, { parent: this });
  }

  private makeResolver(): EngineContainer {
    const { host, images, addresses, subnets, stubs } = this.args;
    const served = Object.entries(stubs).map(([zone, server]) => `${zone}=${server}`);
    return serviceContainer(
      `${this.id}-resolver`,
      {
        host,
        name: "resolver",
        kind: "service",
        image: images.image("resolver"),
        user: USERS.resolver,
        memoryMb: 128,
        networks: [{ network: host.front, alias: "resolver", ipv4: addresses.resolver }],
        envs: [`RESOLVER_ALLOW=${subnets.front}`, `RESOLVER_STUBS=${served.join(" ")}`],
      },
      { parent: this },
    );
  }

  private makeSmtpOut(): EngineContainer {
    const { host, images, addresses, directory, keys, domains, hostnames, ports, outbound, signing } =
      this.args;
    const { tls } = this.args;
    const login = directory.login("smtp-out");
    const pairs = signing.map(({ selector, pair }) => ({ selector, privateKey: pair.privateKeyPem }));
    const dkim = pulumi
      .output(pairs)
      .apply((known): DkimSettings[] =>
        domains.flatMap((domain) =>
          known.map(({ selector, privateKey }) => ({ domain, selector, privateKey })),
        ),
      );
    const secrets = pulumi.all([keys.relay, keys.portalRelay, keys.loginGuard]);
    const settings = pulumi
      .all([this.common(hostnames.smtp, login, "smtp-out"), secrets, dkim])
      .apply(([common, [password, portalPassword, secret], dkim]) =>
        settingsJson(SmtpOutSettings, {
          ...common,
          metricsAddress: addresses.smtpOut,
          relayPort: RELAY.port,
          relay: { user: RELAY.users.smtpIn, password },
          ...(portalPassword && { portal: { user: RELAY.users.portal, password: portalPassword } }),
          access: { port: LOGIN_GUARD_PORT, address: addresses.smtpOut, secret },
          resolvers: [addresses.resolver],
          ownNames: [hostnames.mx],
          allowTargets: [...outbound.allowTargets],
          tlsExempt: [...outbound.tls.exempt],
          tlsReports: outbound.tls.reports,
          showClient: outbound.showClient,
          sending: outbound.limits,
          notices: outbound.notices,
          dkim,
        }),
      );
    return serviceContainer(
      `${this.id}-smtp-out`,
      {
        host,
        name: "smtp-out",
        kind: "service",
        image: images.image("smtp-out"),
        user: USERS.smtpOut,
        memoryMb: 384,
        networks: [
          { network: host.front, alias: "smtp-out", ipv4: addresses.smtpOut },
          { network: host.boxes, alias: "smtp-out", ipv4: this.args.atBoxes.smtpOut },
        ],
        files: { "settings.json": settings },
        ...tls.given,
        volumes: [{ volume: this.queue, path: "/var/spool/semail" }, ...(tls.given.volumes ?? [])],
        ports: [...host.published(587, ports.submission), ...host.published(465, ports.submissions)],
        wait: true,
      },
      { parent: this, dependsOn: [login.entry, this.resolver, ...tls.after, ...this.args.signable] },
    );
  }

  private makeSmtpIn(): EngineContainer {
    const { host, images, addresses, directory, keys, tls, hostnames, ports, inbound, outbound } = this.args;
    const login = directory.login("smtp-in");
    const { workers, dmarcReject, dmarcQuarantine, dnsFailure, clients } = inbound;
    const settings = pulumi
      .all([this.common(hostnames.mx, login, "smtp-in"), keys.relay])
      .apply(([common, password]) =>
        settingsJson(SmtpInSettings, {
          ...common,
          metricsAddress: addresses.smtpIn,
          workers,
          relay: { host: RELAY.host, port: RELAY.port, user: RELAY.users.smtpIn, password },
          resolvers: [addresses.resolver],
          notices: outbound.notices,
          senders: { reject: dmarcReject, quarantine: dmarcQuarantine, dnsFailure },
          clients,
        }),
      );
    return serviceContainer(
      `${this.id}-smtp-in`,
      {
        host,
        name: "smtp-in",
        kind: "service",
        image: images.image("smtp-in"),
        user: USERS.smtpIn,
        memoryMb: SMTP_IN_MEMORY_MB.primary + workers * SMTP_IN_MEMORY_MB.worker,
        networks: [
          { network: host.front, alias: "smtp-in", ipv4: addresses.smtpIn },
          { network: host.boxes, alias: "smtp-in", ipv4: this.args.atBoxes.smtpIn },
        ],
        files: { "settings.json": settings },
        ...tls.given,
        volumes: [{ volume: this.spool, path: "/var/spool/semail" }, ...(tls.given.volumes ?? [])],
        ports: host.published(25, ports.smtp),
        wait: true,
      },
      { parent: this, dependsOn: [login.entry, this.resolver, ...tls.after] },
    );
  }

  private makeAccess(): EngineContainer {
    const { host, images, addresses, directory, keys, tls, ports } = this.args;
    const login = directory.login("access");
    return serviceContainer(
      `${this.id}-access`,
      {
        host,
        name: "access",
        kind: "service",
        image: images.image("access"),
        user: USERS.access,
        memoryMb: 256,
        networks: [
          { network: host.front, alias: "access", ipv4: addresses.access },
          { network: host.boxes, alias: "access", ipv4: this.args.atBoxes.access },
        ],
        envs: [
          ...[`LDAP_URI=${login.url}`, `LDAP_BIND_DN=${login.bindDn}`, `LDAP_PEOPLE_DN=${login.peopleDn}`],
          `TLS_FOLDER=${tls.folder}`,
          `POP3=${ports.pop3s === undefined ? "no" : "yes"}`,
          `LOGIN_GUARD_URL=http://${addresses.smtpOut}:${LOGIN_GUARD_PORT}/`,
        ],
        files: {
          ...{ "ldap-password": login.password, "box-seed": keys.boxSeed },
          "login-guard-secret": keys.loginGuard,
        },
        ...tls.given,
        ports: [
          ...host.published(143, ports.imap),
          ...host.published(993, ports.imaps),
          ...(ports.pop3s === undefined ? [] : host.published(995, ports.pop3s)),
          ...host.published(4190, ports.sieve),
        ],
        wait: true,
      },
      { parent: this, dependsOn: [login.entry, ...tls.after] },
    );
  }

  /** What the settings of both SMTP daemons have in common. */
  private common(hostname: string, login: ServiceLogin, service: "smtp-in" | "smtp-out") {
    const { domains, inbound, tls, keys } = this.args;
    const { tagSeparator, catchAll } = inbound;
    return pulumi
      .all([login.password, keys.srs, keys.boxDoor(service)])
      .apply(([password, srsSecret, boxDoor]) => ({
        srsSecret,
        boxDoor,
        hostname,
        tls: tls.settings,
        domains: [...domains],
        directory: { url: login.url, bindDn: login.bindDn, password, peopleDn: login.peopleDn },
        lmtpPort: LMTP_PORT,
        boxReplyPort: REPLY_PORT,
        tagSeparator,
        catchAll:
          catchAll === undefined ? {} : Object.fromEntries(domains.map((domain) => [domain, catchAll])),
      }));
  }
}

/** Checked here, so that a daemon can't be started with settings that it would refuse. */
function settingsJson<T>(schema: { parse(value: T): unknown }, value: T): string {
  return `${JSON.stringify(schema.parse(value))}\n`;
}
