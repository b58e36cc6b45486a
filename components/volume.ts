import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { type Kind, labels } from "./container.ts";
import type { MailHost } from "./mail-host.ts";

/** How the stack treats data when it goes from the config. */
export interface DataPolicy {
  /** Refuse to delete it. */
  readonly protect: boolean;
  /** Leave mail on the host when it goes from the stack. */
  readonly keepVolumes: boolean;
}

/** A named volume. Volumes with mail outlive the stack where the policy says so; Docker gives them back by name. */
export function dataVolume(
  resource: string,
  args: { host: MailHost; name: string; kind: Kind; policy: DataPolicy },
  opts: pulumi.CustomResourceOptions,
): docker.Volume {
  const { host, name, kind, policy } = args;
  return new docker.Volume(
    resource,
    { name: `${host.prefix}-${name}`, labels: labels(host.prefix, kind) },
    {
      ...opts,
      provider: host.provider,
      protect: policy.protect,
      retainOnDelete: policy.keepVolumes && ["mail", "queue", "backup"].includes(kind),
      deleteBeforeReplace: true,
    },
  );
}
