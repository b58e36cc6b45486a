/** Mail of mailboxes that are no more. */
import type * as pulumi from "@pulumi/pulumi";
import { KeptMail } from "../components/kept-mail.ts";
import type { MailHost } from "../components/mail-host.ts";
import { DiscardedVolume } from "../components/providers/discarded-volume/resource.ts";
import type { DataPolicy } from "../components/volume.ts";
import type { MailboxPlan } from "./mailboxes/plan.ts";

interface UnusedArgs {
  mailboxes: MailboxPlan;
  host: MailHost;
  policy: DataPolicy;
}

/** Declares what is kept of it, and what goes now. */
export function declareUnused({ host, mailboxes, policy }: UnusedArgs): pulumi.Resource[] {
  const kept = mailboxes.kept.map(
    ({ id }) => new KeptMail(`kept-${id}`, { host, mailboxId: id, policy }).volume,
  );
  const discarded = mailboxes.discarded.map(
    ({ id, since }) =>
      new DiscardedVolume(
        `discarded-${id}`,
        // The host's, which a VM has but when it was made: never that of the machine on which this runs.
        {
          ...{ volume: `${host.prefix}-mail-${id}`, since },
          engine: host.engine.apply((engine) => engine ?? ""),
        },
        { parent: host },
      ),
  );
  return [...kept, ...discarded];
}
