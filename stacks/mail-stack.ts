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
import type { MailModel } from "./model.ts";
import {
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
}

/** Declares the whole mail system. Returns the stack's outputs. */
export function mailStack({ model, plans, gandiToken }: MailStackArgs): { summary: pulumi.Output<Summary> } {
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
    dnsNames: [hostnames.mx, hostnames.smtp, hostnames.imap, domain, "localhost"],
    ipAddresses: [...new Set(["127.0.0.1", ...(model.host.address ? [model.host.address] : [])])],
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
    dkimSelector: DKIM_SELECTOR,
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
  return { summary: summarise(model, keys, records) };
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
  const key = keys.dkim.publicKeyBase64.apply(dkimValue);
  return [
    ...model.records,
    ...domains.map((zone) => dkimRecord(zone, key, dns.ttl)),
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
