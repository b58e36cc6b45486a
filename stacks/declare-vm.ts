/** The VM that carries the system, where the stack makes one, and the way to its engine. */
import * as pulumi from "@pulumi/pulumi";
import { MailVm } from "../components/mail-vm.ts";
import type { DataPolicy } from "../components/volume.ts";
import type { MailModel } from "./model.ts";
import type { HostAccess } from "./schema-host.ts";

/** What others need of the VM. */
export interface Vm {
  readonly access: pulumi.Output<HostAccess>;
  /** Where its engine is. */
  readonly engine: pulumi.Output<string>;
  /** Names its system: another one has nothing of what was set up in the one before. */
  readonly system: pulumi.Output<string>;
}

const FOLDER = "/var/lib/libvirt/images";

/** Declares the VM of `model`; undefined when the host is another. */
export function declareVm(
  { prefix, host: { vm: plan, remote } }: MailModel,
  reach: (access: HostAccess) => Promise<string>,
  policy: DataPolicy,
): Vm | undefined {
  if (!plan) return undefined;
  const { name = prefix, folder = `${FOLDER}/${name}`, ...machine } = plan;
  const vm = new MailVm("vm", { ...machine, prefix: name, folder, policy });
  const identity = remote?.login.identity;
  const access = vm.access.apply((way) => (identity === undefined ? way : { ...way, identity }));
  return { access, engine: engineOf(vm, access, reach), system: vm.system };
}

/** A preview of an update that starts the machine can't ask its engine: then where that is isn't known either. */
function engineOf(
  { settled }: MailVm,
  access: pulumi.Output<HostAccess>,
  reach: (access: HostAccess) => Promise<string>,
): pulumi.Output<string> {
  return access.apply((way) =>
    pulumi.output(
      reach(way).catch((error: unknown) => {
        if (!pulumi.runtime.isDryRun()) throw error;
        return settled.apply((): string => {
          throw error;
        });
      }),
    ),
  );
}
