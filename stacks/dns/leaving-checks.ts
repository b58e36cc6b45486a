/** What else of a stack points at a domain that is given up. Pure. */

import { sameValues } from "@pulumi/gandi/rdata.ts";
import { domainOf } from "../address.ts";
import type { MailModel } from "../model.ts";
import type { Finding } from "./findings.ts";
import type { HeldRecord } from "./held.ts";
import { mxRecordsOf } from "./leaving.ts";
import { mxHost } from "./move.ts";

/** Warnings, for each domain that leaves. `held`: what the zones hold; undefined where they weren't asked. */
export function checkLeaving(model: MailModel, held: readonly HeldRecord[] | undefined): Finding[] {
  return model.leaving.flatMap((domain) => [
    ...implicitMx(domain, model, held ?? []),
    ...addressesIn(domain, model),
  ]);
}

/** RFC 5321 section 5.1: where a domain has no MX record, mail goes to its own address. */
function implicitMx(domain: string, { host, hostnames }: MailModel, held: readonly HeldRecord[]): Finding[] {
  const addresses = [host.address, host.address6].filter((address) => address !== undefined);
  const own = held.filter(
    ({ zone, name, type, values }) =>
      zone === domain &&
      name === "@" &&
      (type === "A" || type === "AAAA") &&
      values.some((value) => addresses.some((address) => sameValues([value], [address], type, zone))),
  );
  const elsewhere = mxRecordsOf(domain, held)
    .flatMap(({ values }) => values)
    .some((value) => mxHost(value, domain) !== hostnames.mx);
  if (own.length === 0 || elsewhere) return [];
  return [
    {
      severity: "warning",
      rule: "no MX record means the address itself, RFC 5321 section 5.1",
      record: own.map(({ type }) => `${domain} ${type}`).join(", "),
      message: "it is the host's address: without an MX record of others, mail goes on coming here",
      remedy:
        "Enter the MX record of the host that is to take the mail; if nobody is, `0 .` (RFC 7505) after this update.",
    },
  ];
}

/** Reports and a person's mail that would go where nobody takes it. */
function addressesIn(domain: string, { dns, certificates, people }: MailModel): Finding[] {
  const named: Readonly<Record<string, readonly string[]>> = {
    "dns.dmarc.rua": dns.dmarc.rua ?? [],
    "dns.tlsReports": dns.tlsReports ?? [],
    "certificates.contact": certificates.contact,
    users: people.flatMap(({ address }) => address ?? []),
  };
  const there = Object.entries(named).flatMap(([key, addresses]) =>
    addresses.filter((address) => domainOf(address) === domain).map((address) => `semail:${key} ${address}`),
  );
  if (there.length === 0) return [];
  return [
    {
      severity: "warning",
      rule: "addresses in a domain that leaves",
      record: domain,
      message: `others will send no mail to ${there.join(", ")}`,
      remedy: "Name addresses in a domain that stays.",
    },
  ];
}
