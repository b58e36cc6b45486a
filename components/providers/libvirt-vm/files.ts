/** The files of a VM: all below its folder, so that it needs nothing of the image it was made from. */
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Deps, must } from "../libvirt/host.ts";
import type { Inputs } from "./diff.ts";
import { networkFile, resolvConf } from "./network.ts";

const COPY_LIMIT_MS = 10 * 60_000;

/** Where everything lies. */
export function filesOf(folder: string) {
  const at = (name: string) => join(folder, name);
  return {
    systemDisk: at("system.qcow2"),
    kernel: at("vmlinuz"),
    initrd: at("initrd"),
    consoleLog: at("console.log"),
    xml: at("domain.xml"),
    credentials: {
      "semail.ssh-host-key": at("ssh-host-key"),
      "semail.ssh-keys": at("ssh-keys"),
      "semail.network": at("network"),
      "semail.nameservers": at("nameservers"),
    },
  };
}

/** Writes what the guest's systemd is handed at its start. */
export async function writeCredentials(inputs: Inputs): Promise<void> {
  const { credentials } = filesOf(inputs.folder);
  const contents: Record<keyof typeof credentials, string> = {
    "semail.ssh-host-key": inputs.hostKeyPem,
    "semail.ssh-keys": `${inputs.authorizedKeys.join("\n")}\n`,
    "semail.network": networkFile(inputs.network),
    "semail.nameservers": resolvConf(inputs.network),
  };
  await mkdir(inputs.folder, { recursive: true, mode: 0o711 });
  for (const [name, path] of Object.entries(credentials)) {
    // A new file, with a mode of its own from the first byte on.
    await rm(path, { force: true });
    await writeFile(path, contents[name as keyof typeof contents], { mode: 0o600, flag: "wx" });
  }
}

/** Copies the image to where `useSystem` takes it from: the long part, while the VM still runs. */
export async function prepareSystem({ folder, image, systemGiB }: Inputs, deps: Deps): Promise<void> {
  const { systemDisk, kernel, initrd } = filesOf(folder);
  await mkdir(folder, { recursive: true, mode: 0o711 });
  for (const from of [image.disk, image.kernel, image.initrd]) {
    if (!existsSync(from)) {
      throw new Error(`The VM's image is gone: no ${from}. \`npm run up -- --refresh\` makes it anew.`);
    }
  }
  await copyFile(image.disk, `${systemDisk}.new`);
  await chmod(`${systemDisk}.new`, 0o600);
  const what = "The VM's system disk could not be made";
  await must(deps, what, ["qemu-img", "resize", "-q", `${systemDisk}.new`, `${systemGiB}G`], COPY_LIMIT_MS);
  await copyFile(image.kernel, `${kernel}.new`);
  await copyFile(image.initrd, `${initrd}.new`);
}

/** Puts the prepared system in the place of the old one. The VM is off. */
export async function useSystem({ folder }: Inputs): Promise<void> {
  const { systemDisk, kernel, initrd } = filesOf(folder);
  for (const file of [kernel, initrd, systemDisk]) await rename(`${file}.new`, file);
}

/** Removes the VM's own files, and its folder unless something else lies there. */
export async function removeFiles(folder: string): Promise<void> {
  const { credentials, ...files } = filesOf(folder);
  for (const file of [...Object.values(files), ...Object.values(credentials)]) {
    await rm(file, { force: true });
    await rm(`${file}.new`, { force: true });
  }
  await rmdir(folder).catch(() => {});
}
