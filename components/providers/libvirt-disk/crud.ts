/** The operations of LibvirtDisk; loaded by the shim when one runs. */
import { existsSync } from "node:fs";
import { chmod, link, mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Deps, must, system } from "../libvirt/host.ts";
import { domainState, virsh } from "../libvirt/virsh.ts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, Inputs, parseInfo, refusals, shape } from "./diff.ts";

const GIB = 2 ** 30;
const LABEL = "semail-data";
const LIMIT_MS = 10 * 60_000;

/** Validates, and refuses what would cost data. */
export async function check(olds: Props, news: Props) {
  const { inputs, failures } = checkInputs(shape, news);
  return { inputs, failures: [...failures, ...refusals(olds, inputs)] };
}

/** Says what would change. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/**
 * Makes the disk with an empty file system on it. This is the only place where it is formatted: the guest has no
 * way to. A disk that lies there already is taken over with all that is on it, and grown if it is too small.
 */
export async function create(props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  if (existsSync(inputs.path)) {
    deps.say(`data disk ${inputs.path}: there already; taken over with what is on it`);
    await grow(inputs, deps);
  } else await format(inputs, deps);
  return { id: inputs.path, outs: inputs };
}

async function format({ path, sizeGiB }: Inputs, deps: Deps): Promise<void> {
  const raw = `${path}.raw.part`;
  const part = `${path}.part`;
  const what = `The data disk ${path} could not be made`;
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  try {
    await writeFile(raw, "", { mode: 0o600 });
    await truncate(raw, sizeGiB * GIB);
    // It counts what each user has on it, so that a box can be limited.
    const options = ["-t", "ext4", "-L", LABEL, "-m", "1", "-O", "quota", "-E", "quotatype=usrquota"];
    await must(deps, what, ["mke2fs", "-q", "-F", ...options, raw], LIMIT_MS);
    await must(deps, what, ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, part], LIMIT_MS);
    // qemu-img asks nobody who may read the mail.
    await chmod(part, 0o600);
    // Unlike a rename, a link never takes the place of a file that came there meanwhile.
    await link(part, path);
  } finally {
    await rm(raw, { force: true });
    await rm(part, { force: true });
  }
}

/** Grows the disk, while its VM runs if it does. The guest's file system follows by itself. */
async function grow({ uri, path, sizeGiB, domain }: Inputs, deps: Deps): Promise<void> {
  // The VM that has it open writes to it: looked at without the lock.
  const what = `The data disk ${path} could not be looked at`;
  const info = parseInfo(await must(deps, what, ["qemu-img", "info", "-U", "--output=json", path]));
  if (info.format !== "qcow2")
    throw new Error(`${path} is no data disk of ours: its format is ${info.format}.`);
  const wanted = sizeGiB * GIB;
  if (info.bytes > wanted) {
    const has = Math.ceil(info.bytes / GIB);
    throw new Error(
      `${path} has ${has} GiB, more than the ${sizeGiB} asked for, and a disk can't shrink: ask for ${has}.`,
    );
  }
  if (info.bytes === wanted) return;
  const failed = `The data disk ${path} could not be grown to ${sizeGiB} GiB`;
  const running = (await domainState(deps, uri, domain)) === "running";
  if (running) await virsh(deps, uri, failed, ["blockresize", domain, path, `${wanted}B`]);
  else await must(deps, failed, ["qemu-img", "resize", "-q", "-f", "qcow2", path, String(wanted)]);
  deps.say(`data disk ${path}: grown to ${sizeGiB} GiB${running ? " while its VM runs" : ""}`);
}

/** No id when the file is gone. */
export async function read(id: string, props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  if (!existsSync(inputs.path)) return {};
  const what = `The data disk ${inputs.path} could not be looked at`;
  const { bytes } = parseInfo(
    await must(deps, what, ["qemu-img", "info", "-U", "--output=json", inputs.path]),
  );
  return { id, props: { ...inputs, sizeGiB: Math.floor(bytes / GIB) } };
}

/** Grows it, or notes whether it may be deleted. */
export async function update(_id: string, _olds: Props, news: Props, deps: Deps = system) {
  const inputs = Inputs.parse(news);
  if (!existsSync(inputs.path)) {
    throw new Error(
      `The data disk ${inputs.path} is gone. Put it back, from a backup if need be; ` +
        "or, to begin with an empty one, `npm run up -- --refresh`.",
    );
  }
  await grow(inputs, deps);
  return { outs: inputs };
}

/** Deletes the disk with all that is on it, when an update has said before that it may. */
async function remove(_id: string, props: Props, deps: Deps = system): Promise<void> {
  const { uri, path, domain, deletable } = Inputs.parse(props);
  if (!existsSync(path)) return;
  if (!deletable) {
    throw new Error(
      `The data disk ${path} holds the mail and is not deleted. ` +
        "If it is to go: set `semail:protect: false` and `semail:keepVolumes: false`, run an update, then try again.",
    );
  }
  if ((await domainState(deps, uri, domain)) === "running") {
    throw new Error(
      `The VM ${domain} runs on the data disk ${path}: shut it down first (virsh shutdown ${domain}).`,
    );
  }
  await rm(path);
}

export { remove as delete };
