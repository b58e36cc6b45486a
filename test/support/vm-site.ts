/** What a VM of a test needs of this machine: a bridge without a way out, its system, and a disk with images on it. */
import { randomBytes, randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import * as image from "../../components/providers/libvirt-image/crud.ts";
import { planImages } from "../../stacks/image-plans.ts";
import type { MailModel } from "../../stacks/model.ts";
import { BASE_IMAGE } from "../../tools/bootstrap/base-image.ts";
import { connect } from "../../tools/remote/connection.ts";
import { prepareHost } from "../../tools/remote/prepare.ts";
import type { Lab } from "./docker.ts";
import { buildPlanned, shipImages, startRemoteHost } from "./remote-host.ts";

/** Kept between runs: systems take the longest to make. */
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
 * Makes the data disk with the stack's images on it, as if they had been built there: what a VM without a way out can't
 * do, and one that is emulated takes an hour for.
 */
export async function makeDataDisk(lab: Lab, { path, sizeGiB, model }: DataDisk): Promise<void> {
  const remote = await startRemoteHost(lab);
  const folder = join(dirname(path), "ssh");
  const raw = `${path}.raw`;
  try {
    const connection = await connect(remote.access, { folder, ports: [] });
    const say = { doing: () => {}, done: () => {}, line: () => {} };
    const needs = { prefix: model.prefix, ports: [], firewall: false, install: true, say };
    const { docker } = await prepareHost(connection, needs);
    const tags = await buildPlanned(lab.docker, await planImages(model));
    await shipImages(lab.docker, docker, [BASE_IMAGE, ...tags]);
    connection.close();
    await remote.handle.exec(["service", "docker", "stop"]);
    const { Mounts } = await lab.docker.getContainer(remote.handle.id).inspect();
    const data = Mounts.find(({ Destination }) => Destination === "/var/lib/docker")?.Source;
    if (data === undefined || !existsSync(data))
      throw new Error("the engine's volumes are not on this machine: the VM's disk can't be made of one");
    await execa("truncate", ["-s", `${sizeGiB}G`, raw]);
    await execa("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "semail-data", "-m", "1", "-d", data, raw]);
    await execa("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, `${path}.part`]);
    await rename(`${path}.part`, path);
  } finally {
    await rm(raw, { force: true });
    await rm(folder, { recursive: true, force: true });
    await remote.handle.remove();
    await remote.dispose();
  }
}
