/** Who issues the certificate that the services show, and what the TLSA record says of it. */
import * as pulumi from "@pulumi/pulumi";
import { Certifier, givenTls, type TlsSource } from "../components/certifier.ts";
import type { Keys } from "../components/keys.ts";
import type { MailHost } from "../components/mail-host.ts";
import type { MailImages } from "../components/mail-images.ts";
import type { Pair } from "./certificate-files.ts";
import type { MailModel } from "./model.ts";
import { tlsaKeyValue, tlsaValue } from "./records.ts";

export interface CertificatesArgs {
  model: MailModel;
  gandiToken: pulumi.Output<string> | undefined;
  /** Key to `certificates.eabKeyId`. */
  eabKey?: pulumi.Output<string> | undefined;
  /** What the files of `certificates.kind: files` hold. */
  pair?: Pair | undefined;
  host: MailHost;
  images: MailImages;
  keys: Keys;
  nameServer: pulumi.Resource[];
}

/** Others may have looked while the update ran. */
const HOLD_MARGIN_SECONDS = 900;

/** Who issues the certificate that the services show. */
export function declareCertificates({
  model,
  host,
  images,
  keys,
  nameServer,
  ...args
}: CertificatesArgs): TlsSource {
  const { certificates, dns, network, domains } = model;
  const { pair } = args;
  if (pair) return givenTls({ certificate: pair.certificate, key: pulumi.secret(pair.key) });
  if (certificates.kind !== "acme") return givenTls(keys.tls);
  const { eabKeyId: keyId } = certificates;
  const dev = dns.provider === "dev";
  const certifier = new Certifier("certifier", {
    ...{
      host,
      keys,
      image: images.image("certifier"),
      address: network.certifier,
      resolver: network.resolver,
    },
    ...certificates,
    names: certificates.names.filter((name) => !certificates.leaving.includes(name)),
    zones: domains,
    eab: keyId !== undefined && args.eabKey !== undefined ? { keyId, key: args.eabKey } : undefined,
    records: {
      url: dev ? `http://${network.livedns}:8080/v5/livedns` : dns.apiUrl,
      token: dev ? keys.dnsToken : (args.gandiToken ?? pulumi.secret("")),
      nameServers: dev ? [network.livedns] : [],
    },
    holdSeconds: dns.signed ? dns.ttl + HOLD_MARGIN_SECONDS : 0,
    after: nameServer,
  });
  return certifier.tls;
}

/** The stack's own authority, and the key that a public one issues for: whichever certificate is served, one fits. */
export function tlsaValues({ caPem, acme }: Keys): pulumi.Output<string>[] {
  return [caPem.apply(tlsaValue), ...(acme ? [acme.host.publicKeyPem.apply(tlsaKeyValue)] : [])];
}
