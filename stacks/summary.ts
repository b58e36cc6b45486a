/** What an update tells its user: where the services are, who has a mailbox, which records the domain has. */
import * as pulumi from "@pulumi/pulumi";
import type { Keys } from "../components/keys.ts";
import type { MailModel } from "./model.ts";
import type { PendingRecord, RecordSpec } from "./records.ts";

export interface Summary {
  readonly prefix: string;
  readonly domain: string;
  readonly bind: string;
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
  /** Every record of the domains, the DKIM keys too. */
  readonly records: readonly RecordSpec[];
  /** Who serves the zone; `none`: the records are to be entered by hand. */
  readonly dnsProvider: MailModel["dns"]["provider"];
  /** Certificate of the stack's own authority, PEM. */
  readonly ca: string;
  /** Whether the passwords may be shown on a terminal. */
  readonly showPasswords: boolean;
}

/** The `summary` stack output; secret, since it holds passwords. */
export function summarise(
  model: MailModel,
  keys: Keys,
  records: readonly PendingRecord<pulumi.Input<string>>[],
): pulumi.Output<Summary> {
  const passwords = pulumi.all(model.people.map(({ uid }) => keys.initialPassword(uid)));
  return pulumi.secret(
    pulumi.all([passwords, keys.caPem, pulumi.output(records)]).apply(([initial, ca, known]) => ({
      prefix: model.prefix,
      domain: model.domain,
      bind: model.host.bind,
      hostnames: model.hostnames,
      ports: model.ports,
      ...(model.portal.enabled ? { portal: { port: model.portal.port } } : {}),
      people: model.people.map(({ uid, name, address }, index) => ({
        uid,
        name,
        ...(address === undefined ? {} : { address }),
        initialPassword: initial[index] ?? "",
      })),
      records: known,
      dnsProvider: model.dns.provider,
      ca,
      showPasswords: model.showPasswords,
    })),
  );
}
