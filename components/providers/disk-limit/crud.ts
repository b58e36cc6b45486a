/** The operations of DiskLimit; loaded by the shim when one runs. */
import { connect } from "../../../tools/docker-plugin/engine.ts";
import { explain, unlessMissing } from "../../../tools/docker-plugin/errors.ts";
import { providerConfig } from "../../../tools/docker-plugin/host.ts";
import { type InForce, type Limit, limitDisk } from "../../../tools/docker-plugin/limit-disk.ts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, Inputs, shape } from "./diff.ts";

const DOCS = "docs/operations.md, A box's disk";

/** Has the kernel told. */
export interface Deps {
  /** Sets the limit, or takes it away with zeros; with none given, only asks. Rejects when the engine can't. */
  limitDisk(inputs: Inputs, limit?: Limit): Promise<InForce>;
}

/** The engine of the inputs. */
export const system: Deps = {
  limitDisk: (inputs, limit) =>
    limitDisk(connect(providerConfig({ host: inputs.engine }, process.env)), inputs, limit),
};

/** Validates. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says what would change. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Sets the limit; that it can't be is an error only where it is required: a box without it is no worse than before. */
export async function create(props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  return { id: String(inputs.user), outs: await limit(inputs, deps) };
}

/** As `create`. */
export async function update(_id: string, _olds: Props, news: Props, deps: Deps = system) {
  return { outs: await limit(Inputs.parse(news), deps) };
}

async function limit(inputs: Inputs, deps: Deps) {
  const { user, bytes, files, required } = inputs;
  const kib = Math.ceil(bytes / 1_024);
  const inForce = await deps.limitDisk(inputs, { kib, files }).catch((error: unknown): never => {
    throw new Error(explain(error, { action: `limit the disk of user ${user}`, host: inputs.engine }));
  });
  if (inForce.limited || !required) return { ...inputs, ...outputsOf(inForce) };
  throw new Error(
    `the disk of user ${user} can't be limited, as \`semail:boxes.diskLimits: required\` asks for: ${inForce.why}. ` +
      `What the host needs is in ${DOCS}`,
  );
}

/** `why` is empty where there is a limit. */
function outputsOf(inForce: InForce) {
  return inForce.limited
    ? { why: "", limit: `${inForce.kib} KiB, ${inForce.files} files` }
    : { why: inForce.why, limit: "none" };
}

/** A limit that is another than it was, or that can be set by now, differs from what is wanted. */
export async function read(id: string, props: Props, deps: Deps = system) {
  const inForce = await unlessMissing(deps.limitDisk(Inputs.parse(props)));
  if (inForce === undefined) return {};
  const now = outputsOf(inForce);
  // Zero differs from every limit that is asked for: the next update sets it.
  return { id, props: now.limit === props.limit ? { ...props, ...now } : { ...props, ...now, bytes: 0 } };
}

/**
 * Takes the limit away. With the volume or the guard gone there is no way to, and nobody who writes; one that stays limits
 * a user who is nobody any more.
 */
async function remove(_id: string, props: Props, deps: Deps = system): Promise<void> {
  await unlessMissing(deps.limitDisk(Inputs.parse(props), { kib: 0, files: 0 }));
}

export { remove as delete };
