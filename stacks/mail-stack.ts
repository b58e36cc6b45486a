/** Model → components. Nothing is decided here that the model could say. */
import * as pulumi from "@pulumi/pulumi";
import { Backup } from "../components/backup.ts";
import type { TlsSource } from "../components/certifier.ts";
import { DevDns } from "../components/dev-dns.ts";
import { Directory } from "../components/directory.ts";
import { Guard } from "../components/guard.ts";
import { Keys } from "../components/keys.ts";
import { MailDomain } from "../components/mail-domain.ts";
import { MailHost } from "../components/mail-host.ts";
import { type ImagePlans, MailImages } from "../components/mail-images.ts";
import { BOX_PORTS, POP3_PORT } from "../components/mail-ports.ts";
import { MailServer } from "../components/mail-server.ts";
import type { BoxOwner } from "../components/mailbox.ts";
import { Operator } from "../components/operator.ts";
import { Portal } from "../components/portal.ts";
import { HostFirewall } from "../components/providers/host-firewall/resource.ts";
import { liveDnsRecords } from "../components/record-provider.ts";
import type { DataPolicy } from "../components/volume.ts";
import type { Pair } from "./certificate-files.ts";
import { declareCertificates, tlsaValues } from "./certificates.ts";
import type { BackupSecrets } from "./config.ts";
import { declarePeople } from "./declare-people.ts";
import { declareUnused } from "./declare-unused.ts";
import { declareVm, type Vm } from "./declare-vm.ts";
import { declareDkim } from "./dkim/declare.ts";
import type { DkimState, RotationPlan } from "./dkim/rotation.ts";
import { policyTexts } from "./dns/mta-sts.ts";
import { hostFolder, knownAccess } from "./host-plan.ts";
import type { FormerHolders } from "./mailboxes/former.ts";
import type { MailboxPlan, MailboxRecord } from "./mailboxes/plan.ts";
import type { MailModel } from "./model.ts";
import type { OperatorPlace } from "./operator-place.ts";
import { type PendingRecord, tlsaRecord } from "./records.ts";
import type { HostAccess } from "./schema-host.ts";
import { type Summary, summarise } from "./summary.ts";

export interface MailStackArgs {
  model: MailModel;
  /** Where the engine of a host is that was there before; undefined for this machine's, and for a VM. */
  engine?: string | undefined;
  /** Connects to a host that the stack makes; answers where its engine is. */
  reach(access: HostAccess): Promise<string>;
  plans: ImagePlans;
  /** Which DKIM keys there are, and what for. */
  dkim: RotationPlan;
  /** Whose mail is in use, kept, and thrown away. */
  mailboxes: MailboxPlan;
  /** How many people had a uid before who has it now. */
  formerHolders: FormerHolders;
  gandiToken: pulumi.Output<string> | undefined;
  backupSecrets?: BackupSecrets | undefined;
  /** URNs of what the stack has already. */
  present: readonly string[];
  /** Key to `certificates.eabKeyId`. */
  eabKey?: pulumi.Output<string> | undefined;
  /** The certificate of `certificates.kind: files`. */
  pair?: Pair | undefined;
  /** Gives a person's mail to the user of their box. */
  owner?: BoxOwner | undefined;
  /** Where the operator runs, with the portal. */
  operatorPlace?: OperatorPlace | undefined;
}

export interface Outputs {
  readonly summary: pulumi.Output<Summary>;
  readonly dkim: pulumi.Output<DkimState>;
  /** Known once it is so. */
  readonly mailboxes: pulumi.Output<readonly MailboxRecord[]>;
  /** Known when all records are published. */
  readonly settled: pulumi.Output<undefined>;
}

/** Declares the whole mail system. Returns the stack's outputs. */
export function mailStack(args: MailStackArgs): Outputs {
  const { model, dkim, mailboxes, gandiToken, backupSecrets, operatorPlace } = args;
  const policy = { protect: model.protect, keepVolumes: model.keepVolumes };
  const { hostnames, network, domain } = model;
  const { host, images, guard } = declareHost({ ...args, policy });
  const keys = declareKeys(args);
  const directory = new Directory("directory", {
    host,
    image: images.image("directory"),
    domain,
    suffix: model.suffix,
    port: model.ports.ldap,
    adminPassword: keys.directoryAdmin,
    servicePasswords: keys.servicePasswords,
    policy,
  });
  const signatures = declareDkim(dkim, keys, model);
  const services = serviceRecords(model, keys);
  const { zones, nameServer } = declareZones({ model, host, images, keys, gandiToken });
  const tls = declareCertificates({ ...args, host, images, keys, nameServer });
  const server = new MailServer("mail", {
    host,
    images,
    directory,
    keys,
    tls,
    domains: model.domains,
    hostnames,
    addresses: network,
    atBoxes: network.atBoxes,
    subnets: { front: network.front },
    stubs: model.stubs,
    ports: model.ports,
    inbound: model.smtpIn,
    outbound: model.smtpOut,
    signing: signatures.signing,
    signable: zones.publishKeys(signatures.records, nameServer),
    policy,
  });
  const published = zones.publish(services, [server, ...nameServer]);
  const { owner } = args;
  const persons = declarePeople({ model, host, images, guard, keys, directory, policy, owner });
  const people = persons.map(({ entry }) => entry);
  const unused = declareUnused({ host, mailboxes, policy });
  declareBackup({ model, host, images, keys, backupSecrets, policy, people });
  if (operatorPlace) declarePortal({ model, host, images, keys, tls, directory, operatorPlace });
  const records = [...services, ...signatures.records];
  const summary = summarise(model, keys, {
    ...{ records, signing: signatures.signing, kept: mailboxes.kept },
    limits: persons.flatMap(({ limit }) => (limit ? [limit] : [])),
  });
  const settled = pulumi.all(published.map(({ urn }) => urn)).apply(() => undefined);
  return {
    ...{ summary, settled, dkim: signatures.state(server.smtpOut.id) },
    mailboxes: pulumi
      .all([...people, ...unused].map(({ urn }) => urn))
      .apply(() => [...mailboxes.inUse, ...mailboxes.kept]),
  };
}

/** Certificates, signing keys and secrets. */
function declareKeys({ model, dkim, formerHolders, present }: MailStackArgs): Keys {
  const { address } = model.host;
  return new Keys("keys", {
    domain: model.domain,
    dnsNames: [...model.certificates.names, "localhost"],
    ipAddresses: [...new Set(["127.0.0.1", ...(address ? [address] : [])])],
    acme: model.certificates.kind === "acme",
    dkim: dkim.keys,
    portal: model.portal.enabled,
    backup: keepsBackupKey(model.backup.enabled, present),
    formerHolders: new Map(Object.entries(formerHolders)),
    protect: model.protect,
  });
}

/**
 * A password of snapshots stays, as they do. None is made before there is a backup: it is guarded, and an earlier version
 * of this program, which knows it with a backup alone, could not let it go.
 */
const keepsBackupKey = (enabled: boolean, present: readonly string[]): boolean =>
  enabled || present.some((urn) => urn.endsWith("::keys-backup"));

interface HostArgs extends Pick<MailStackArgs, "model" | "engine" | "reach" | "plans"> {
  policy: DataPolicy;
}

/** An emulated processor starts a process in seconds, not in hundredths of one. */
const EMULATED = 6;

/** The machine, what runs on it, and what keeps the boxes apart. */
function declareHost({ model, engine, reach, plans, policy }: HostArgs) {
  const { prefix, host: where, network } = model;
  const vm = declareVm(model, reach, policy);
  const host = new MailHost("host", {
    ...{ prefix, engine: vm?.engine ?? engine },
    ...{ binds: where.binds, subnets: network, patience: where.vm?.accelerator === "tcg" ? EMULATED : 1 },
  });
  declareFirewall(model, host, vm);
  const images = new MailImages("images", { host, plans });
  const front = Object.values(network.atBoxes);
  const ports = model.ports.pop3s === undefined ? BOX_PORTS : [...BOX_PORTS, POP3_PORT];
  const guard = new Guard("guard", {
    ...{ host, image: images.image("guard"), network: network.boxes },
    ...{ front, ports },
  });
  return { host, images, guard };
}

/** The packet filter of a machine far away, where there is to be one. */
function declareFirewall({ prefix, host: where, ports, stack }: MailModel, host: MailHost, vm?: Vm): void {
  const access = vm?.access ?? knownAccess(where);
  if (!where.remote?.firewall || !access) return;
  const { smtp, submission, submissions, imap, imaps, pop3s, sieve } = ports;
  new HostFirewall(
    "host-firewall",
    {
      ...{ stack: prefix, access, folder: hostFolder(stack), system: vm?.system },
      ports: [smtp, submission, submissions, imap, imaps, ...(pop3s === undefined ? [] : [pop3s]), sieve],
    },
    { parent: host },
  );
}

interface BackupPlan extends Pick<MailStackArgs, "model" | "backupSecrets"> {
  host: MailHost;
  images: MailImages;
  keys: Keys;
  policy: DataPolicy;
  people: pulumi.Resource[];
}

/** Where snapshots of the boxes go, when there are to be any. */
function declareBackup({ model, host, images, keys, backupSecrets, policy, people }: BackupPlan): void {
  const { enabled, repository, keyId, keep, schedule: times } = model.backup;
  const password = backupSecrets?.password ?? keys.backup;
  if (!enabled || password === undefined) return;
  const secretKey = backupSecrets?.secretKey;
  const s3 = keyId !== undefined && secretKey !== undefined ? { keyId, secretKey } : undefined;
  const address = model.network.backupTimer;
  const timer =
    times.length > 0 ? { image: images.image("backup-timer"), times, address, after: people } : undefined;
  new Backup("backup", {
    ...{ host, image: images.image("backup"), repository, password, s3, keep, policy, timer },
    seed: keys.boxSeed,
  });
}

interface PortalArgs {
  model: MailModel;
  host: MailHost;
  images: MailImages;
  keys: Keys;
  tls: TlsSource;
  directory: Directory;
  operatorPlace: OperatorPlace;
}

/** Where people look after their own mailbox, and what does as they ask. */
function declarePortal({ model, host, images, keys, tls, directory, operatorPlace }: PortalArgs): void {
  const { domains, hostnames, ports, network } = model;
  const { portalRelay: relayPassword } = keys;
  if (relayPassword === undefined) return;
  const operator = new Operator("operator", {
    host,
    image: images.image("operator"),
    machine: operatorPlace,
  });
  new Portal("portal", {
    ...{ host, directory, relayPassword, tls, operator, domains, hostnames, ports },
    image: images.image("portal"),
    address: network.portal,
    resolver: network.resolver,
    mtaStsPolicies: policyTexts(model),
    port: model.portal.port,
  });
}

/** The records that tell of services. */
function serviceRecords(model: MailModel, keys: Keys): PendingRecord<pulumi.Input<string>>[] {
  const { domain, dns, hostnames } = model;
  const tlsa = () => tlsaRecord({ domain, mx: hostnames.mx, ttl: dns.ttl }, ...tlsaValues(keys));
  return [...model.records, ...(dns.signed ? [tlsa()] : [])];
}

interface ZonesArgs extends Pick<MailStackArgs, "model" | "gandiToken"> {
  host: MailHost;
  images: MailImages;
  keys: Keys;
}

/** Who serves the zones, and what has to be there first. */
function declareZones({ model, host, images, keys, gandiToken }: ZonesArgs) {
  const dev =
    model.dns.provider === "dev"
      ? new DevDns("dns", {
          host,
          image: images.image("livedns"),
          zones: [...model.domains],
          token: keys.dnsToken,
          address: model.network.livedns,
          apiPort: model.ports.dnsApi,
        })
      : undefined;
  const zones = new MailDomain("domain", {
    provider: dev ? devRecords(dev) : gandiRecords(model, gandiToken),
    servers: dev ? [model.network.livedns] : [],
    patienceSeconds: model.dkim.patience,
  });
  return { zones, nameServer: dev ? [dev.container] : [] };
}

/** The dev server's zone is the stack's own: what an interrupted update left there is taken over, and nothing is lost. */
const devRecords = ({ apiUrl, token }: DevDns) =>
  liveDnsRecords({ url: apiUrl, token, adoptExisting: true, snapshot: false });

function gandiRecords({ dns }: MailModel, token: pulumi.Output<string> | undefined) {
  const { provider, apiUrl: url, adoptExisting } = dns;
  return provider === "gandi" ? liveDnsRecords({ url, token, adoptExisting, snapshot: true }) : undefined;
}
