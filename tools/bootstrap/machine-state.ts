/** What a stack's state says of the VM that the stack makes. Pure. */
import { Checkpoint } from "./checkpoint.ts";

const PREFIX = "pulumi-nodejs:dynamic/semail:Libvirt";
const DISK = `${PREFIX}Disk`;

const resourcesOf = (checkpoint: unknown) =>
  (checkpoint === undefined ? undefined : Checkpoint.parse(checkpoint).checkpoint.latest?.resources) ?? [];

/** The URNs of what it consists of. */
export function machineOf(checkpoint: unknown): string[] {
  return resourcesOf(checkpoint)
    .filter(({ type }) => type.startsWith(PREFIX))
    .map(({ urn }) => urn);
}

/** The disk with the mail. */
export interface Disk {
  readonly path: string;
  /** Once an update has noted that it may go. */
  readonly deletable: boolean;
}

export function dataDiskOf(checkpoint: unknown): Disk | undefined {
  const inputs = resourcesOf(checkpoint).find(({ type }) => type === DISK)?.inputs;
  return typeof inputs?.path === "string"
    ? { path: inputs.path, deletable: inputs.deletable === true }
    : undefined;
}
