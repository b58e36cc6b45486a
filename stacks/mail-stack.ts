/** Model → components. Nothing is decided here that the model could say. */
import * as pulumi from "@pulumi/pulumi";
import { DevDns } from "../components/dev-dns.ts";
import { Directory } from "../components/directory.ts";
import { Keys } from "../components/keys.ts";
import { MailDomain } from "../components/mail-domain.ts";
import { MailHost } from "../components/mail-host.ts";
import { type ImagePlans, MailImages } from "../components/mail-images.ts";
import { MailServer } from "../components/mail-server.ts";
import { Mailbox } from "../components/mailbox.ts";
import { Operator } from "../components/operator.ts";
import { Portal } from "../components/portal.ts";
import { policyText } from "./dns/mta-sts.ts";
import type { MailModel } from "./model.ts";
import type { OperatorPlace } from "./operator-place.ts";
import {
  DKIM_ED25519_SELECTOR,
  DKIM_SELECTOR,
  dkimRecord,
  dkimValue,
  type PendingRecord,
  tlsaRecord,
  tlsaValue,
} from "./records.ts";
import { type Summary, summarise } from "./summary.ts";

export interface MailStackArgs {
  model: MailModel;
  plans: ImagePlans;
  gandiToken: pulumi.Output<string> | undefined;
  /** Where the operator runs, with the portal. */
  operatorPlace?: OperatorPlace | undefined;
}

/** Declares the whole mail system. Returns the stack's outputs. */
export function mailStack({ model, plans, gandiToken, operatorPlace }: MailStackArgs): {
  summary: pulumi.Output<Summary>;
} {
  const policy = { protect: model.protect, keepVolumes: model.keepVolumes };
  const { hostnames, network, domain } = model;
  const host = new MailHost("host", {
    prefix: model.prefix,
    bind: model.host.bind,
    subnets: { front: network.front, boxes: network.boxes },
  });
  const images = new MailImages("images", { host, plans });
  const keys = new Keys("keys", {
    domain,
    dnsNames: [hostnames.mx, hostnames.smtp, hostnames.imap, domain, ...webNames(model), "localhost"],
    ipAddresses: [...new Set(["127.0.0.1", ...(model.host.address ? [model.host.address] : [])])],
    portal: model.portal.enabled,
    dkimEd25519: model.dkim.ed25519,
    protect: model.protect,
  });
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
  const server = new MailServer("mail", {
    host,
    images,
    directory,
    keys,
    domains: model.domains,
    hostnames,
    addresses: network,
    subnets: { front: network.front },
    stubs: model.stubs,
    ports: model.ports,
    inbound: model.smtpIn,
    outbound: model.smtpOut,
    dkimSelectors: { rsa: DKIM_SELECTOR, ed25519: DKIM_ED25519_SELECTOR },
    policy,
  });
  const records = allRecords(model, keys);
  declareRecords({ model, records, host, images, keys, gandiToken, server });
  const box = images.image("box");
  for (const { name, ...person } of model.people) {
    new Mailbox(`person-${person.uid}`, {
      ...person,
      fullName: name,
      host,
      image: box,
      directory,
      keys,
      domain,
      policy,
    });
  }
  if (operatorPlace) declarePortal({ model, host, images, keys, directory, operatorPlace });
  return { summary: summarise(model, keys, records) };
}

interface PortalArgs {
  model: MailModel;
  host: MailHost;
  images: MailImages;
  keys: Keys;
  directory: Directory;
  operatorPlace: OperatorPlace;
}

/** Where people look after their own mailbox, and what does as they ask. */
function declarePortal({ model, host, images, keys, directory, operatorPlace }: PortalArgs): void {
  const { domains, hostnames, ports, network, dns } = model;
  const operator = new Operator("operator", {
    host,
    image: images.image("operator"),
    machine: operatorPlace,
  });
  new Portal("portal", {
    ...{ host, directory, keys, operator, domains, hostnames, ports },
    image: images.image("portal"),
    address: network.portal,
    resolver: network.resolver,
    mtaSts: dns.mtaSts && policyText(dns.mtaSts, [hostnames.mx]),
    port: model.portal.port,
  });
}

/** Names under which the portal serves what mail programs and servers fetch. */
function webNames({ domains, portal }: MailModel): string[] {
  if (!portal.enabled) return [];
  return domains.flatMap((zone) =>
    ["mta-sts", "autoconfig", "autodiscover"].map((name) => `${name}.${zone}`),
  );
}

interface RecordsArgs extends Pick<MailStackArgs, "model" | "gandiToken"> {
  host: MailHost;
  images: MailImages;
  keys: Keys;
  server: MailServer;
  records: readonly KeyRecord[];
}

type KeyRecord = PendingRecord<pulumi.Input<string>>;

/** The model's records, and those that tell of keys. */
function allRecords(model: MailModel, keys: Keys): KeyRecord[] {
  const { domain, domains, dns, hostnames } = model;
  const key = keys.dkim.publicKeyBase64.apply((value) => dkimValue(value));
  const second = keys.dkimEd25519?.publicKeyBase64.apply((value) => dkimValue(value, "ed25519"));
  return [
    ...model.records,
    ...domains.map((zone) => dkimRecord(zone, key, dns.ttl)),
    ...(second === undefined
      ? []
      : domains.map((zone) => dkimRecord(zone, second, dns.ttl, DKIM_ED25519_SELECTOR))),
    ...(dns.signed
      ? [tlsaRecord({ domain, mx: hostnames.mx, ttl: dns.ttl }, keys.caPem.apply(tlsaValue))]
      : []),
  ];
}

function declareRecords({ model, records, host, images, keys, gandiToken, server }: RecordsArgs): void {
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
  const gandi =
    model.dns.provider === "gandi"
      ? { url: model.dns.apiUrl, token: gandiToken ?? pulumi.secret("") }
      : undefined;
  new MailDomain("domain", {
    api: dev ? { url: dev.apiUrl, token: dev.token } : gandi,
    records,
    // The dev server's zone is the stack's own; what an interrupted update left there is taken over.
    adoptExisting: dev !== undefined || model.dns.adoptExisting,
    after: [server, ...(dev ? [dev.container] : [])],
  });
}
