/** What the VM's system disk is made of, and how: pure. A change of it makes another image. */
import { createHash } from "node:crypto";

const SUITE = "trixie";

/** Nothing but what carries the mail system; without Recommends. */
const PACKAGES = [
  ...["linux-image-cloud-amd64", "initramfs-tools", "kmod", "e2fsprogs"],
  ...["systemd-sysv", "systemd-timesyncd", "udev", "dbus", "netbase", "iproute2", "ca-certificates"],
  ...["openssh-server", "docker.io", "docker-cli", "iptables", "nftables"],
  // Containers fail without its parser where the kernel has AppArmor on.
  "apparmor",
];

const SERVICES = ["systemd-networkd", "ssh", "docker", "semail-settings", "semail-count"];

/** What would fetch packages on its own, or wait for networks that there are none of. */
const MASKED = [
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_reap.service"],
  "systemd-networkd-wait-online.service",
];

/** The label by which the kernel finds its root. */
export const SYSTEM_LABEL = "semail-system";

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Only the drivers of a virtio machine: an initrd of 6 MB, not 40. */
const INITRD_HOOK = [
  'mkdir -p "$1/etc/initramfs-tools/conf.d"',
  'printf "MODULES=list\\nCOMPRESS=lz4\\nRESUME=none\\n" > "$1/etc/initramfs-tools/conf.d/semail"',
  'printf "virtio_pci\\nvirtio_blk\\next4\\n" > "$1/etc/initramfs-tools/modules"',
].join("; ");

const SYSTEM_HOOK = [
  // Host keys come from the stack; two machines of one image share neither these nor the id.
  'rm -f "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"; echo semail > "$1/etc/hostname"',
  `chroot "$1" systemctl --quiet enable ${SERVICES.join(" ")}`,
  `chroot "$1" systemctl --quiet mask ${MASKED.join(" ")}`,
  // The kernel that starts lies outside, beside the disk: one from apt would find its modules only.
  'chroot "$1" apt-mark hold linux-image-cloud-amd64 > /dev/null',
].join("; ");

/** Arguments of mmdebstrap for a root folder `target`; `guest` is the folder of files that are put over it. */
export function mmdebstrapArguments(paths: { guest: string; target: string }): string[] {
  return [
    ...["--quiet", "--mode=root", "--variant=minbase", "--format=directory"],
    `--include=${PACKAGES.join(",")}`,
    '--aptopt=Apt::Install-Recommends "false"',
    // Synced once, at the end, by what writes the disk.
    "--dpkgopt=force-unsafe-io",
    ...["doc", "man", "locale", "info"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    `--essential-hook=${INITRD_HOOK}`,
    // Not with the owner that the files have in a checkout.
    `--customize-hook=cp -R --no-preserve=ownership ${quote(paths.guest)}/. "$1"/`,
    `--customize-hook=${SYSTEM_HOOK}`,
    SUITE,
    paths.target,
  ];
}

/** A file of the guest folder. */
export interface GuestFile {
  readonly path: string;
  readonly content: Uint8Array;
}

/**
 * Names an image by all that it is made of but the packages' versions, which are those of the day it is made on:
 * 16 hexadecimal digits. `edition` is what the user counts up to have today's.
 */
export function recipeHash(edition: string, files: readonly GuestFile[]): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([edition, mmdebstrapArguments({ guest: "guest", target: "root" })]));
  for (const { path, content } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(JSON.stringify([path, content.length])).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}
