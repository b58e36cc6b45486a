/** What a VM of a test needs of this machine: a bridge without a way out, its system, and a disk with images on it. */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { execa } from "execa";
import * as image from "../../components/providers/libvirt-image/crud.ts";
import { planImages } from "../../stacks/image-plans.ts";
import type { MailModel } from "../../stacks/model.ts";
import { BASE_IMAGE } from "../../tools/bootstrap/base-image.ts";
import type { Handle, Lab } from "./docker.ts";
import { buildPlanned, ENGINE_RIGHTS, REMOTE_HOST, shipImages } from "./remote-host.ts";

/** Kept between runs: systems, and disks with images, take the longest to make. */
export const IMAGES = join(process.env.SEMAIL_CACHE ?? join(homedir(), ".cache", "semail"), "vm");

export interface Bridge {
  readonly name: string;
  /** This machine's address there. */
  readonly address: string;
  /** A free one. */
  readonly guest: string;
  dispose(): Promise<void>;
}

/** A bridge that leads to this machine alone: nothing is routed from it. */
export async function openBridge(): Promise<Bridge> {
  const name = `smt${randomBytes(4).toString("hex")}`;
  const net = `10.200.${randomInt(1, 255)}`;
  const ip = (...args: string[]) => execa("ip", args);
  await ip("link", "add", name, "type", "bridge");
  await ip("address", "add", `${net}.1/24`, "dev", name);
  await ip("link", "set", name, "up");
  const dispose = async () => void (await execa("ip", ["link", "delete", name], { reject: false }));
  return { name, address: `${net}.1`, guest: `${net}.2`, dispose };
}

/** Makes the system of today's recipe, unless it is there, and puts it in `folder` as that of each of `editions`. */
export async function placeSystems(folder: string, editions: readonly string[]): Promise<void> {
  const { inputs } = await image.check({}, { folder: IMAGES });
  const { recipe } = (await image.create(inputs)).outs;
  await mkdir(folder, { recursive: true, mode: 0o711 });
  for (const edition of editions) {
    const { inputs: named } = await image.check({}, { folder, edition });
    // Files that nobody writes to: a VM has copies.
    await execa("cp", ["-al", join(IMAGES, `image-${recipe}`), join(folder, `image-${named.recipe}`)]);
  }
}

interface DataDisk {
  readonly path: string;
  readonly sizeGiB: number;
  /** The stack whose images are on it. */
  readonly model: MailModel;
}

/**
 * Puts a data disk there with the stack's images on it, as if they had been built there: what a VM without a way out
 * can't do, and one that is emulated takes an hour for. Made once for the same images.
 */
export async function placeDataDisk(lab: Lab, { path, sizeGiB, model }: DataDisk): Promise<void> {
  const plans = await planImages(model);
  const tags = Object.values(plans).flatMap((plan) => (plan ? [plan.tag] : []));
  const key = createHash("sha256")
    .update(JSON.stringify([tags, sizeGiB]))
    .digest("hex")
    .slice(0, 16);
  const kept = join(IMAGES, `data-${key}.qcow2`);
  if (!existsSync(kept)) {
    // Those of other versions of the images are half a gigabyte each.
    for (const name of await readdir(IMAGES))
      if (name.startsWith("data-")) await rm(join(IMAGES, name), { force: true });
    await buildPlanned(lab.docker, plans);
    await makeDataDisk(lab, { file: kept, sizeGiB, tags: [BASE_IMAGE, ...tags] });
  }
  await execa("cp", ["--reflink=auto", kept, path]);
}

/** Has the guest's engine, in a container, take the images, and writes a disk of what it then keeps. */
async function makeDataDisk(
  lab: Lab,
  { file, sizeGiB, tags }: { file: string; sizeGiB: number; tags: readonly string[] },
): Promise<void> {
  const [data, place] = [await lab.volume(), await lab.volume()];
  const onThisMachine = async (volume: string): Promise<string> => {
    const { Mountpoint } = await lab.docker.getVolume(volume).inspect();
    if (existsSync(Mountpoint)) return Mountpoint;
    throw new Error("the engine's volumes are not on this machine: the VM's disk can't be made of one");
  };
  const engine = await lab.run({
    image: await lab.ensureImage("remote-host", REMOTE_HOST),
    entrypoint: ["dockerd", "--host=unix:///place/docker.sock", "--bridge=none", "--iptables=false"],
    volumes: { "/var/lib/docker": data, "/place": place },
    further: { ...ENGINE_RIGHTS, NetworkMode: "none" },
  });
  const raw = `${file}.raw`;
  try {
    const docker = new Docker({ socketPath: join(await onThisMachine(place), "docker.sock") });
    await answers(docker, engine);
    await shipImages(lab.docker, docker, tags);
    await lab.docker.getContainer(engine.id).stop({ t: 60 });
    await execa("truncate", ["-s", `${sizeGiB}G`, raw]);
    const format = ["-q", "-F", "-t", "ext4", "-L", "semail-data", "-m", "1"];
    await execa("mke2fs", [...format, "-d", await onThisMachine(data), raw]);
    await execa("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, `${file}.part`]);
    await rename(`${file}.part`, file);
  } finally {
    await rm(raw, { force: true });
    await rm(`${file}.part`, { force: true });
    await engine.remove();
    for (const volume of [data, place]) await lab.docker.getVolume(volume).remove();
  }
}

async function answers(docker: Docker, engine: Handle): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const there = await docker.ping().catch(() => undefined);
    if (there) return;
    await sleep(200);
  }
  throw new Error(`the engine in a container does not answer: ${await engine.logs()}`);
}
