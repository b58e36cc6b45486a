/** The mail system that a stack config asks for, worked out once: pure, and frozen all the way down. */
import { isIPv6 } from "node:net";
import { boxUsers, SHARED_USER } from "./box-users.ts";
import { type HostPlan, planHost } from "./host-plan.ts";
import { mailboxId } from "./mailbox-id.ts";
import { certificateNames, hostnamesOf, leavingNames } from "./names.ts";
import { defaultNetwork, type NetworkPlan, planNetwork, uniqueNetwork } from "./network-plan.ts";
import { type MailPorts, mailRecords, type RecordSpec } from "./records.ts";
import type { StackConfig, UserConfig } from "./schema.ts";
import { parseSize } from "./size.ts";

/** A person of the directory. */
export interface Person {
  readonly uid: string;
  readonly name: string;
  /** Whether they have a mailbox, had none yet, or gave it up and its mail is kept. */
  readonly state: UserConfig["state"];
  /** The main address, the one mail is sent from; of those with a mailbox. */
  readonly address: string | undefined;
  /** Every address that is theirs, the main one first; none without a mailbox. */
  readonly addresses: readonly string[];
  readonly quotaBytes: number;
  /** Memory limit of the box, in whole MiB. */
  readonly memoryMb: number;
  /** CPUs that the box may use at most. */
  readonly cpus: number;
  /** User id under which the box runs, and which owns the mail. */
  readonly boxUser: number;
  readonly forward: string | undefined;
  /** Name of the box on the boxes' network; `mailHost` in the directory. */
  readonly boxHost: string;
  /** Of their mailbox, beside others that the uid had; names its volume. */
  readonly mailboxId: string;
}

/** Names by which the services are reached. */
export interface Hostnames {
  readonly mx: string;
  readonly smtp: string;
  readonly imap: string;
}

/** How mail from other servers is received. */
export interface InboundPlan extends Omit<StackConfig["smtpIn"], "catchAll"> {
  /** Address that gets what nobody else is known for. */
  readonly catchAll: string | undefined;
}

/** The certificate that the services show. */
export interface CertificatePlan extends Omit<StackConfig["certificates"], "contact"> {
  readonly contact: readonly string[];
  /** What a public authority is to issue it for. */
  readonly names: readonly string[];
  /** Those of them without which it is good, too. */
  readonly leaving: readonly string[];
}

export interface MailModel {
  /** Begins the name of everything this stack owns on the host, e.g. `semail-dev`. */
  readonly prefix: string;
  /** The stack's own name, e.g. `dev`. */
  readonly stack: string;
  readonly domain: string;
  /** Every domain whose mail is ours, `domain` first. */
  readonly domains: readonly string[];
  /** Those of them whose mail others shall no longer send here. */
  readonly leaving: readonly string[];
  /** LDAP suffix, e.g. `dc=example,dc=org`. */
  readonly suffix: string;
  readonly hostnames: Hostnames;
  readonly people: readonly Person[];
  readonly network: NetworkPlan;
  /** Name servers that the resolver asks instead of the public ones, by domain. */
  readonly stubs: Readonly<Record<string, string>>;
  readonly records: readonly RecordSpec[];
  readonly host: HostPlan;
  readonly dns: StackConfig["dns"];
  readonly dkim: StackConfig["dkim"];
  readonly certificates: CertificatePlan;
  /** `pop3s` where people may fetch mail so. */
  readonly ports: Omit<StackConfig["ports"], "pop3s"> & { readonly pop3s?: number };
  readonly smtpIn: InboundPlan;
  readonly smtpOut: StackConfig["smtpOut"];
  readonly portal: StackConfig["portal"];
  readonly boxes: StackConfig["boxes"];
  readonly backup: StackConfig["backup"];
  readonly images: StackConfig["images"];
  readonly protect: boolean;
  readonly keepVolumes: boolean;
  readonly showPasswords: boolean;
}

/** Builds the model of stack `stack` in project `project`. */
export function buildModel(config: StackConfig, names: { project: string; stack: string }): MailModel {
  const prefix = `${names.project}-${names.stack}`.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
  const { domain } = config;
  const domains = [domain, ...config.domains];
  const hostnames = hostnamesOf(domain);
  const network = planNetwork(config.network ?? defaultNetwork(prefix));
  const { pop3s, ...usual } = config.ports;
  const ports = { ...usual, ...(config.boxes.pop3 && { pop3s }) };
  const host = planHost(config.host, ports);
  const front6 = host.binds.some(isIPv6) ? uniqueNetwork(prefix) : undefined;
  const { address } = host;
  const persons = people(config, prefix);
  const catchAll = persons.find(({ uid }) => uid === config.smtpIn.catchAll)?.address;
  return deepFreeze({
    prefix,
    stack: names.stack,
    domain,
    domains,
    leaving: config.leaving,
    suffix: suffixOf(domain),
    hostnames,
    people: persons,
    network: { ...network, front6 },
    stubs:
      config.dns.provider === "dev"
        ? Object.fromEntries(domains.map((each) => [devZone(each), network.livedns]))
        : {},
    records: mailRecords({
      domain,
      domains,
      leaving: config.leaving,
      hostnames,
      dns: config.dns,
      address6: host.address6,
      web: address,
      // The containers' own addresses have the services on their standard ports.
      ports: address === undefined ? { ...STANDARD_PORTS, ...(config.boxes.pop3 && { pop3s: 995 }) } : ports,
      addresses: {
        mx: address ?? network.smtpIn,
        smtp: address ?? network.smtpOut,
        imap: address ?? network.access,
      },
    }),
    host,
    dns: config.dns,
    dkim: config.dkim,
    certificates: {
      ...config.certificates,
      contact: config.certificates.contact ?? [`postmaster@${domain}`],
      names: certificateNames(config),
      leaving: leavingNames(config),
    },
    ports,
    smtpIn: { ...config.smtpIn, catchAll },
    smtpOut: {
      ...config.smtpOut,
      allowTargets: [...config.smtpOut.allowTargets, ...ownTargets(config, network)],
    },
    portal: config.portal,
    boxes: config.boxes,
    backup: config.backup,
    images: config.images,
    protect: config.protect,
    keepVolumes: config.keepVolumes,
    showPasswords: config.showPasswords,
  });
}

const STANDARD_PORTS: MailPorts = { submission: 587, submissions: 465, imap: 143, imaps: 993, sieve: 4190 };

/** Other mail sites that a dev stack is tried out with are made up in its own zone and stand on its own network. */
function ownTargets(config: StackConfig, network: Pick<NetworkPlan, "front">): string[] {
  return config.dns.provider === "dev" ? [network.front] : [];
}

/** `example.org` → `dc=example,dc=org` (RFC 2247 section 2). */
export function suffixOf(domain: string): string {
  return domain
    .split(".")
    .map((label) => `dc=${label}`)
    .join(",");
}

/** Top domains that nobody has in public DNS (RFC 6761 section 6). */
const RESERVED = new Set(["test", "example", "invalid", "localhost"]);

/** What the dev name server answers for: a reserved top domain, so that foreign domains can be made up; else our own. */
function devZone(domain: string): string {
  const top = domain.slice(domain.lastIndexOf(".") + 1);
  return RESERVED.has(top) ? top : domain;
}

function people(config: StackConfig, prefix: string): Person[] {
  const users =
    config.boxes.users === "own"
      ? boxUsers(
          prefix,
          Object.entries(config.users).map(([uid, user]) => mailboxId(uid, user.mailbox)),
        )
      : undefined;
  const claimed = new Set(
    Object.entries(config.users).flatMap(([uid, user]) => ownAddresses(uid, user, config.domain)),
  );
  const active = Object.keys(config.users).filter((uid) => config.users[uid]?.state === "active");
  // By alphabet: Pulumi hands objects over sorted, whatever their order in the file.
  const postmaster = config.postmaster ?? active.sort()[0];
  // RFC 5321 section 4.5.1 and RFC 2142 section 4: these two always reach a person.
  const roles = [config.domain, ...config.domains]
    .flatMap((domain) => ["postmaster", "abuse"].map((role) => `${role}@${domain}`))
    .filter((role) => !claimed.has(role));
  return Object.entries(config.users).map(([uid, user]) => {
    const own = ownAddresses(uid, user, config.domain);
    const addresses = uid === postmaster ? [...own, ...roles] : own;
    return {
      uid,
      name: user.name,
      state: user.state,
      address: own[0],
      addresses: [...new Set(addresses)],
      quotaBytes: bytes(user.quota ?? config.defaults.quota),
      memoryMb: Math.ceil(bytes(user.memory ?? config.defaults.memory) / 2 ** 20),
      cpus: config.defaults.cpus,
      boxUser: users?.get(mailboxId(uid, user.mailbox)) ?? SHARED_USER,
      forward: user.forward,
      boxHost: `box-${uid}`,
      mailboxId: mailboxId(uid, user.mailbox),
    };
  });
}

function ownAddresses(uid: string, user: UserConfig, domain: string): string[] {
  return user.state === "active" ? addressesOf(uid, user, domain) : [];
}

/** The addresses that a mailbox of theirs has, or would have again. */
export function addressesOf(
  uid: string,
  { addresses, aliases }: Pick<UserConfig, "addresses" | "aliases">,
  domain: string,
): string[] {
  return [...(addresses ?? [`${uid}@${domain}`]), ...aliases];
}

function bytes(size: string): number {
  const value = parseSize(size);
  if (value === undefined) throw new RangeError(`not a size: ${size}`);
  return value;
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === "object" && child !== null) deepFreeze(child);
  }
  return Object.freeze(value);
}
