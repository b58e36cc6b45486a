/** What an update tells its user: where the services are, who has a mailbox, which records the domain has. */
import { createPublicKey } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Keys } from "../components/keys.ts";
import type { DiskLimit } from "../components/providers/disk-limit/resource.ts";
import { dkimPublicKey } from "../components/providers/key-pair/diff.ts";
import type { Signing } from "./dkim/declare.ts";
import { policyTexts } from "./dns/mta-sts.ts";
import type { KeptMailbox } from "./mailboxes/plan.ts";
import type { MailModel } from "./model.ts";
import type { PendingRecord, RecordSpec } from "./records.ts";

export interface Summary {
  readonly prefix: string;
  readonly domain: string;
  readonly domains: readonly string[];
  /** Those of them that are given up. */
  readonly leaving: readonly string[];
  /** Where the services are reached from the machine that makes the stack. */
  readonly bind: string;
  /** The host's public addresses. */
  readonly address?: string;
  readonly address6?: string;
  readonly hostnames: MailModel["hostnames"];
  readonly ports: MailModel["ports"];
  /** Where people look after their own mailbox. */
  readonly portal?: { readonly port: number };
  readonly people: readonly {
    readonly uid: string;
    readonly name: string;
    /** Of those with a mailbox. */
    readonly address?: string;
    /** The password the person's entry was made with; they may have changed it since. */
    readonly initialPassword: string;
  }[];
  /** Mailboxes that were given up, and the last day on which their mail is kept. */
  readonly kept: readonly { readonly id: string; readonly name: string; readonly until: string }[];
  /** Every record of the domains, the DKIM keys too. */
  readonly records: readonly RecordSpec[];
  /** Who serves the zone; `none`: the records are to be entered by hand. */
  readonly dnsProvider: MailModel["dns"]["provider"];
  /** The stack's resolver and, for development, its name server: addresses on the network of its own, if that is here. */
  readonly resolver?: string;
  readonly nameServer?: string;
  /** The MTA-STS policies that are served, by domain. */
  readonly mtaStsPolicies: Readonly<Record<string, string>>;
  /** The keys that smtp-out signs with: what their records must have. */
  readonly signing: readonly SigningKey[];
  /** Certificate of the stack's own authority, PEM. */
  readonly ca: string;
  /** Who issues the certificate that the services show; `roots`: trusted besides the public authorities, PEM. */
  readonly certificates: {
    readonly kind: MailModel["certificates"]["kind"];
    readonly roots: readonly string[];
  };
  /** Why the host's file system limits nobody's box, each reason once: none where it limits all; absent where it isn't to. */
  readonly diskTroubles?: readonly string[];
  /** Whether the passwords may be shown on a terminal. */
  readonly showPasswords: boolean;
}

/** A DKIM key in use. */
export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  /** As `p=` of the record has it. */
  readonly publicKey: string;
}

export interface SummaryParts {
  readonly records: readonly PendingRecord<pulumi.Input<string>>[];
  readonly signing: readonly Signing[];
  readonly kept: readonly KeptMailbox[];
  /** Of the boxes. */
  readonly limits: readonly DiskLimit[];
}

/** The `summary` stack output; secret, since it holds passwords. */
export function summarise(
  model: MailModel,
  keys: Keys,
  { records, signing, kept, limits }: SummaryParts,
): pulumi.Output<Summary> {
  const passwords = pulumi.all(model.people.map((person) => keys.initialPassword(person)));
  return pulumi.secret(
    pulumi
      .all([
        ...([passwords, keys.caPem, pulumi.output(records), signingKeys(model, signing)] as const),
        pulumi.all(limits.map(({ why }) => why)),
      ])
      .apply(([initial, ca, known, signing, whys]) => ({
        prefix: model.prefix,
        domain: model.domain,
        domains: model.domains,
        leaving: model.leaving,
        bind: model.host.reach,
        ...where(model),
        hostnames: model.hostnames,
        ports: model.ports,
        ...(model.portal.enabled ? { portal: { port: model.portal.port } } : {}),
        people: model.people.map(({ uid, name, address }, index) => ({
          uid,
          name,
          ...(address === undefined ? {} : { address }),
          initialPassword: initial[index] ?? "",
        })),
        kept: kept.map(({ id, name, until }) => ({ id, name, until })),
        records: known,
        dnsProvider: model.dns.provider,
        signing,
        ca,
        certificates: { kind: model.certificates.kind, roots: model.certificates.roots },
        ...diskTroubles(model, whys),
        showPasswords: model.showPasswords,
      })),
  );
}

/** `whys`: of each limit, empty for one that is in force; unknown of one that this update doesn't make. */
function diskTroubles({ boxes }: MailModel, whys: readonly (string | undefined)[]) {
  if (boxes.diskLimits === "off") return {};
  if (boxes.users === "shared")
    return { diskTroubles: ["all boxes are one user to it (`semail:boxes.users: shared`)"] };
  return { diskTroubles: [...new Set(whys)].flatMap((why) => (why ? [why] : [])) };
}

/** Addresses, and the policies that are served at one of them. */
function where(model: MailModel) {
  const { host, dns, network } = model;
  return {
    ...(host.address === undefined ? {} : { address: host.address }),
    ...(host.address6 === undefined ? {} : { address6: host.address6 }),
    ...(host.remote ? {} : { resolver: network.resolver }),
    ...(dns.provider === "dev" ? { nameServer: network.livedns } : {}),
    mtaStsPolicies: policyTexts(model),
  };
}

/** Worked out from the private halves, which smtp-out has: a record can be held against them. */
function signingKeys({ domains }: MailModel, signing: readonly Signing[]): pulumi.Output<SigningKey[]> {
  const pairs = signing.map(({ selector, pair }) => ({ selector, privateKey: pair.privateKeyPem }));
  return pulumi.output(pairs).apply((known) =>
    domains.flatMap((domain) =>
      known.map(({ selector, privateKey }) => ({
        ...{ domain, selector },
        publicKey: dkimPublicKey(createPublicKey(privateKey)),
      })),
    ),
  );
}
