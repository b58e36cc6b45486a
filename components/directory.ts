import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { childDn } from "./providers/ldap-entry/dn.ts";
import { type LdapConnection, LdapEntry } from "./providers/ldap-entry/resource.ts";
import { TYPES } from "./types.ts";
import { type DataPolicy, dataVolume } from "./volume.ts";

/** Services that read the directory with an account of their own. */
export type ServiceAccount = "smtp-in" | "smtp-out" | "access" | "portal";

export interface DirectoryArgs {
  host: MailHost;
  image: ImageRef;
  domain: string;
  /** LDAP suffix of the domain. */
  suffix: string;
  /** Loopback port through which Pulumi writes the entries. */
  port: number;
  adminPassword: pulumi.Output<string>;
  /** Of each service that there is. */
  servicePasswords: Readonly<Partial<Record<ServiceAccount, pulumi.Output<string>>>>;
  policy: DataPolicy;
}

/** How a service reaches the directory. */
export interface ServiceLogin {
  url: string;
  bindDn: string;
  password: pulumi.Output<string>;
  peopleDn: string;
}

const SERVICES: readonly ServiceAccount[] = ["smtp-in", "smtp-out", "access", "portal"];
const USER = 5001;
const MEMORY_MB = 128;

/** The LDAP server with the people, and the accounts of the services that read it. */
export class Directory extends pulumi.ComponentResource {
  readonly container: EngineContainer;
  readonly volume: docker.Volume;
  readonly peopleDn: string;
  /** How Pulumi writes the entries. Secret. */
  readonly connection: pulumi.Output<LdapConnection>;
  private readonly accounts: ReadonlyMap<ServiceAccount, ServiceLogin & { entry: LdapEntry }>;

  constructor(name: string, args: DirectoryArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.directory, name, {}, opts);
    this.peopleDn = childDn("ou", "people", args.suffix);
    this.volume = dataVolume(
      `${name}-data`,
      { host: args.host, name: "directory", kind: "directory", policy: args.policy },
      { parent: this },
    );
    this.container = this.server(name, args);
    this.connection = pulumi.secret(
      args.adminPassword.apply((password) => ({
        url: `ldap://127.0.0.1:${args.port}`,
        bindDn: `cn=admin,${args.suffix}`,
        password,
      })),
    );
    this.accounts = new Map(
      SERVICES.flatMap((service) => {
        const password = args.servicePasswords[service];
        return password ? [[service, this.account(name, service, password, args)]] : [];
      }),
    );
    this.registerOutputs({ peopleDn: this.peopleDn });
  }

  /** The account of `service`; what uses it depends on `entry`. */
  login(service: ServiceAccount): ServiceLogin & { entry: LdapEntry } {
    const account = this.accounts.get(service);
    if (!account) throw new RangeError(`no account for ${service}`);
    return account;
  }

  private server(name: string, args: DirectoryArgs): EngineContainer {
    return serviceContainer(
      `${name}-server`,
      {
        host: args.host,
        name: "directory",
        kind: "service",
        image: args.image,
        user: USER,
        memoryMb: MEMORY_MB,
        networks: [{ network: args.host.front, alias: "directory" }],
        envs: [`SLAPD_SUFFIX=${args.suffix}`, `SLAPD_DOMAIN=${args.domain}`],
        files: { "admin-password": args.adminPassword },
        volumes: [{ volume: this.volume, path: "/var/lib/ldap" }],
        ports: [{ internal: 389, external: args.port, ip: "127.0.0.1" }],
      },
      { parent: this },
    );
  }

  private account(
    name: string,
    service: ServiceAccount,
    password: pulumi.Output<string>,
    args: DirectoryArgs,
  ) {
    const bindDn = childDn("cn", service, childDn("ou", "services", args.suffix));
    const entry = new LdapEntry(
      `${name}-${service}`,
      {
        connection: this.connection,
        dn: bindDn,
        attributes: { objectClass: ["organizationalRole", "simpleSecurityObject"], cn: [service] },
        password,
        managePassword: true,
        adopt: true,
      },
      { parent: this, dependsOn: [this.container], deletedWith: this.volume },
    );
    return { url: "ldap://directory:389", bindDn, password, peopleDn: this.peopleDn, entry };
  }
}
