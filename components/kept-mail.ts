import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { MailHost } from "./mail-host.ts";
import { mailVolume } from "./mailbox.ts";
import { TYPES } from "./types.ts";
import type { DataPolicy } from "./volume.ts";

export interface KeptMailArgs {
  host: MailHost;
  /** Of the mailbox, beside others that its uid had. */
  mailboxId: string;
  policy: DataPolicy;
}

/**
 * The mail of somebody who has no mailbox any more: its volume, which nothing mounts. The same resource as when it was
 * in use, since a volume's URN has its parent's type, and not the parent's name.
 */
export class KeptMail extends pulumi.ComponentResource {
  readonly volume: docker.Volume;

  constructor(
    name: string,
    { host, mailboxId, policy }: KeptMailArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super(TYPES.mailbox, name, {}, opts);
    this.volume = mailVolume({ host, mailboxId, policy, inUse: false }, { parent: this });
    this.registerOutputs({});
  }
}
