/** What libvirt, qemu and their helpers complain of, and what a person does about it. Pure. */

/** What our runner says of a program that isn't there. */
export const MISSING = "no such program";

/** What a machine that carries the VM needs. */
export const PACKAGES = [
  ...["libvirt-daemon-system", "libvirt-clients", "dnsmasq-base", "qemu-system-x86", "qemu-utils"],
  ...["mmdebstrap", "debian-archive-keyring", "e2fsprogs", "openssh-client"],
];

const INSTALL = `apt-get install --no-install-recommends ${PACKAGES.join(" ")}`;

/** The first that matches is told. */
const REMEDIES: readonly (readonly [complaint: RegExp, remedy: string])[] = [
  [/no such program/, `Install what VMs need: ${INSTALL}`],
  [
    /virtlogd-sock/,
    "libvirt's log daemon isn't running: `systemctl enable --now virtlogd.socket` (or `virtlogd -d`).",
  ],
  [
    /libvirt-sock'?:? .*No such file|libvirt-sock'?: Connection refused|virtqemud-sock/,
    "libvirt isn't running: `systemctl enable --now libvirtd` (or `libvirtd -d`).",
  ],
  [
    /libvirt-sock'?: Permission denied|authentication unavailable|authentication failed|access denied/i,
    "This user may not use libvirt: run this as root, or `adduser USER libvirt` and log in again.",
  ],
  [
    /Cannot access storage file|Could not open .*Permission denied/,
    "qemu's own user can't read that file: keep the VM's folder below /var/lib/libvirt/images, or make the folders above it passable (chmod o+x).",
  ],
  [
    /Could not set up host forwarding rule/,
    "A port that is to be forwarded to the VM is in use on this machine: free it, or choose another.",
  ],
  [
    /network '[^']*' is not active|Network not found/,
    "Start that libvirt network (`virsh net-start NAME`, `virsh net-autostart NAME`), or name another; `virsh net-list --all` shows them.",
  ],
  [
    /Cannot get interface MTU|Unable to add bridge|bridge.*No such device/,
    "There is no such bridge on this machine: make it (interfaces(5), bridge_ports), or name another.",
  ],
  [
    /Could not access KVM|KVM is not available|failed to initialize kvm|does not support virt type 'kvm'/i,
    "This machine can't run guests by KVM now: switch virtualisation on in its firmware, or choose the accelerator `tcg` (slow).",
  ],
  [
    /Failed to (get|lock) .*lock|is already in use by other process/i,
    "Another VM has that disk open: shut it down first (`virsh list`).",
  ],
  [
    /Cannot allocate memory|cannot set up guest memory/i,
    "This machine hasn't so much memory free: give the VM less, or make room.",
  ],
  [/No space left on device/, "The disk is full: make room where the VM's folder lies, then run this again."],
];

/** The remedy for what a program said on stderr; empty when none is known. */
export function explain(stderr: string): string {
  return REMEDIES.find(([complaint]) => complaint.test(stderr))?.[1] ?? "";
}
