/** The operations of DiskLimit; loaded by the shim when one runs. */
import { connect } from "../../../tools/docker-plugin/engine.ts";
import { explain, statusOf } from "../../../tools/docker-plugin/errors.ts";
import { providerConfig } from "../../../tools/docker-plugin/host.ts";
import { runOnce } from "../../../tools/docker-plugin/run-once.ts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, type InForce, Inputs, parseAnswer, shape } from "./diff.ts";

const MEMORY = 32 * 2 ** 20;
const DOCS = "docs/operations.md, A box's disk";

/** Has the kernel told by `limit-disk` of the guard's image. */
export interface Deps {
  /** Sets the limit, or takes it away with zeros; with none given, only asks. Rejects when the engine can't run it. */
  limitDisk(inputs: Inputs, limit?: { readonly kib: number; readonly files: number }): Promise<InForce>;
}

/** The engine of the inputs. */
export const system: Deps = {
  async limitDisk({ engine, guard, volume, user }, limit) {
    const docker = connect(providerConfig({ host: engine }, process.env));
    // Asked for each time: another version of the image is no change of anybody's limit.
    const { Image } = await docker.getContainer(guard).inspect();
    const { exitCode, said } = await runOnce(docker, {
      ...{ name: `${volume}-limit`, Image },
      User: "0:0",
      Entrypoint: ["/usr/local/bin/limit-disk"],
      Cmd: [user, ...(limit ? [limit.kib, limit.files] : [])].map(String),
      HostConfig: {
        ...{ NetworkMode: "none", ReadonlyRootfs: true, Memory: MEMORY, MemorySwap: MEMORY },
        // quotactl(2) wants SYS_ADMIN, and a device that names the file system.
        ...{ CapDrop: ["ALL"], CapAdd: ["SYS_ADMIN", "MKNOD"], SecurityOpt: ["no-new-privileges:true"] },
        Binds: [`${volume}:/volume:ro`],
      },
    });
    const answer = exitCode === 0 ? parseAnswer(said) : undefined;
    if (answer) return answer;
    throw new Error(`limit-disk ended with ${exitCode}: ${said.replaceAll(/[^ -~]+/g, " ").trim()}`);
  },
};

/** Validates. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says what would change. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Sets the limit; where the file system limits nobody, that is an error only if the limit is required. */
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
  if (inForce.limited) return { ...inputs, limited: true, why: "" };
  if (!required) return { ...inputs, limited: false, why: inForce.why };
  throw new Error(
    `the disk of user ${user} can't be limited, as \`semail:boxes.diskLimits: required\` asks for: ${inForce.why}. ` +
      `What the host needs is in ${DOCS}`,
  );
}

/** A limit that somebody took away, or that can be set by now, differs from what is wanted. */
export async function read(id: string, props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  const inForce = await deps.limitDisk(inputs).catch(unlessGone);
  if (inForce === undefined) return {};
  const isSet = inForce.limited && inForce.kib > 0;
  const wasSet = props.limited === true;
  // Differs from every limit that is asked for: the next update sets it.
  return { id, props: isSet === wasSet && (isSet || !inForce.limited) ? props : { ...props, bytes: 0 } };
}

/** Takes the limit away. With the volume or the guard gone there is no way to, and nobody who writes. */
async function remove(_id: string, props: Props, deps: Deps = system): Promise<void> {
  await deps.limitDisk(Inputs.parse(props), { kib: 0, files: 0 }).catch(unlessGone);
}

function unlessGone(error: unknown): undefined {
  if (statusOf(error) !== 404) throw error;
}

export { remove as delete };
