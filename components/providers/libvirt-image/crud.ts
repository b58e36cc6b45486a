/** The operations of LibvirtImage; loaded by the shim when one runs. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Deps, must, system } from "../libvirt/host.ts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, Inputs, shape } from "./diff.ts";
import { type GuestFile, mmdebstrapArguments, recipeHash, SYSTEM_LABEL } from "./recipe.ts";

const GUEST = join(import.meta.dirname, "guest");
const BUILD_LIMIT_MS = 20 * 60_000;
/** Of the file system as it is made; the VM's disk is larger, and the guest grows into it. */
const BASE_SIZE = 3 * 2 ** 30;

async function guestFiles(): Promise<GuestFile[]> {
  const entries = await readdir(GUEST, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.map(async (file) => ({ path: file.slice(GUEST.length + 1), content: await readFile(file) })),
  );
}

/** Validates, and fills in what today's recipe is. */
export async function check(_olds: Props, news: Props) {
  const edition = typeof news.edition === "string" ? news.edition : "";
  return checkInputs(shape, { ...news, recipe: recipeHash(edition, await guestFiles()) });
}

/** Says whether another image is wanted. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

const filesOf = ({ folder, recipe }: Inputs) => {
  const home = join(folder, `image-${recipe}`);
  return {
    home,
    disk: join(home, "disk.qcow2"),
    kernel: join(home, "vmlinuz"),
    initrd: join(home, "initrd"),
  };
};

/**
 * Makes the image in a minute or two, unless one of this recipe lies there. Throws when this process isn't root's:
 * a root file system has files of many owners.
 */
export async function create(props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  const { home, ...files } = filesOf(inputs);
  if (existsSync(home)) deps.say(`VM image ${inputs.recipe}: made earlier`);
  else await build(inputs, deps);
  return { id: inputs.recipe, outs: { ...inputs, ...files } };
}

async function build(inputs: Inputs, deps: Deps): Promise<void> {
  if (!deps.isRoot()) throw new Error("The VM's image is made as root only: run this as root.");
  const { home } = filesOf(inputs);
  const part = `${home}.part`;
  const root = join(part, "root");
  deps.say(`VM image ${inputs.recipe}: making it out of Debian's packages (1 to 3 min)`);
  // What an interrupted build left.
  await rm(part, { recursive: true, force: true });
  await mkdir(inputs.folder, { recursive: true, mode: 0o711 });
  await mkdir(part, { mode: 0o711 });
  try {
    const args = mmdebstrapArguments({ guest: GUEST, target: root });
    await must(
      deps,
      "The VM's system could not be made by mmdebstrap",
      ["mmdebstrap", ...args],
      BUILD_LIMIT_MS,
    );
    await takeOut(root, part, "vmlinuz");
    await takeOut(root, part, "initrd");
    await writeDisk({ root, part }, deps);
    await rm(root, { recursive: true });
    // Complete or not there at all.
    await rename(part, home);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  deps.say(`VM image ${inputs.recipe}: made`);
}

/** Moves the kernel or its initrd out of the root: the VM starts them from beside its disk. */
async function takeOut(root: string, part: string, kind: "vmlinuz" | "initrd"): Promise<void> {
  const names = (await readdir(join(root, "boot"))).filter((name) => name.startsWith(kind));
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new Error(`The VM's system has ${names.length} ${kind}, not one.`);
  await rename(join(root, "boot", name), join(part, kind));
}

/** A folder becomes a file system without mounting anything. */
async function writeDisk({ root, part }: { root: string; part: string }, deps: Deps): Promise<void> {
  const raw = join(part, "disk.raw");
  await writeFile(raw, "");
  await truncate(raw, BASE_SIZE);
  const options = ["-q", "-F", "-t", "ext4", "-L", SYSTEM_LABEL, "-m", "1", "-E", "root_owner=0:0"];
  const what = "The VM's system disk could not be written";
  await must(deps, what, ["mke2fs", ...options, "-d", root, raw], BUILD_LIMIT_MS);
  const convert = ["convert", "-f", "raw", "-O", "qcow2", raw, join(part, "disk.qcow2")] as const;
  await must(deps, what, ["qemu-img", ...convert], BUILD_LIMIT_MS);
  await rm(raw);
}

/** No id when the files are gone. */
export async function read(id: string, props: Props) {
  return existsSync(filesOf(Inputs.parse(props)).home) ? { id, props } : {};
}

/** Removes the files. A VM has its own copies. */
async function remove(_id: string, props: Props): Promise<void> {
  await rm(filesOf(Inputs.parse(props)).home, { recursive: true, force: true });
}

export { remove as delete };
