/** The domain XML of a mail VM (https://libvirt.org/formatdomain.html). Pure. */
import { createHash } from "node:crypto";
import type { Network } from "./network.ts";
import { userNetdev } from "./network.ts";

/** All that the XML says. Holds no secret: credentials are files that it names. */
export interface DomainPlan {
  readonly name: string;
  /** `tcg`: the processor is emulated. */
  readonly accelerator: "kvm" | "tcg";
  readonly vcpus: number;
  /** As many can be plugged in while it runs. */
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  /** As much can be given while it runs. */
  readonly maxMemoryMiB: number;
  readonly network: Network;
  /** Files. */
  readonly kernel: string;
  readonly initrd: string;
  readonly systemDisk: string;
  readonly dataDisk: string;
  readonly consoleLog: string;
  /** Files by the name of the credential that the guest's systemd gets (systemd.exec(5), "Credentials"). */
  readonly credentials: Readonly<Record<string, string>>;
}

/** The same name is the same machine, and tells ours from another of that name. */
export function uuidOf(name: string): string {
  const hex = createHash("sha256").update(`semail vm ${name}`).digest("hex");
  // RFC 9562 section 5.8: a version for ids of our own making.
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

/** A locally administered address in qemu's range, by the VM's name. */
export function macOf(name: string): string {
  const hash = createHash("sha256").update(`semail mac ${name}`).digest("hex");
  return `52:54:00:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}`;
}

/** Text as XML content or attribute value. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
  };
  return text.replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? "");
}

const x = escapeXml;

/**
 * An emulated processor has none of the faults; working around them is a third of its time. And it may share a machine
 * with others, so that a unit that starts takes minutes.
 */
const EMULATED = ["mitigations=off", "nokaslr", "systemd.default_timeout_start_sec=300"];

function commandLine({ name, accelerator }: DomainPlan): string {
  const words = [
    "root=LABEL=semail-system",
    "rw",
    "console=ttyS0",
    "quiet",
    "panic=30",
    `systemd.hostname=${name}`,
  ];
  return [...words, ...(accelerator === "tcg" ? EMULATED : [])].join(" ");
}

const processor = {
  kvm: "<cpu mode='host-passthrough' check='none' migratable='on'/>",
  // The plainest is the fastest to emulate.
  tcg: "<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>",
};

const features = {
  kvm: "<acpi/><apic/>",
  tcg: "<acpi/><apic/><tcg><tb-cache unit='MiB'>512</tb-cache></tcg>",
};

function disk(file: string, target: string, serial: string): string {
  // `writeback` passes the guest's flushes on: what it was told is written, is.
  return `<disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='writeback' discard='unmap'/>
      <source file='${x(file)}'/><target dev='${target}' bus='virtio'/><serial>${serial}</serial>
    </disk>`;
}

function networkDevice({ name, network }: DomainPlan): string {
  if (network.kind === "user") return "";
  const source =
    network.kind === "bridge" ? `bridge='${x(network.bridge)}'` : `network='${x(network.network)}'`;
  return `<interface type='${network.kind}'>
      <mac address='${macOf(name)}'/><source ${source}/><model type='virtio'/>
    </interface>`;
}

/** libvirt knows no forwards of a user-mode network before 9.2; on an address that it gives to nothing else. */
function qemuArguments({ name, network }: DomainPlan): string {
  if (network.kind !== "user") return "";
  const device = `virtio-net-pci,netdev=semail,mac=${macOf(name)},bus=pcie.0,addr=0x10`;
  const args = ["-netdev", userNetdev(network, "semail"), "-device", device];
  return `<qemu:commandline>${args.map((arg) => `<qemu:arg value='${x(arg)}'/>`).join("")}</qemu:commandline>`;
}

/** The XML for `virsh define`. */
export function domainXml(plan: DomainPlan): string {
  const { accelerator, credentials } = plan;
  const entries = Object.entries(credentials).map(
    ([name, file]) => `<entry name='opt/io.systemd.credentials/${x(name)}' file='${x(file)}'/>`,
  );
  return `<domain type='${accelerator === "kvm" ? "kvm" : "qemu"}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${x(plan.name)}</name>
  <uuid>${uuidOf(plan.name)}</uuid>
  <title>Semail: mail VM</title>
  <description>Declared by Pulumi; changes by hand are undone by the next update.</description>
  <memory unit='MiB'>${plan.maxMemoryMiB}</memory>
  <currentMemory unit='MiB'>${plan.memoryMiB}</currentMemory>
  <vcpu current='${plan.vcpus}'>${plan.maxVcpus}</vcpu>
  <sysinfo type='fwcfg'>
    ${entries.join("\n    ")}
  </sysinfo>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${x(plan.kernel)}</kernel>
    <initrd>${x(plan.initrd)}</initrd>
    <cmdline>${x(commandLine(plan))}</cmdline>
  </os>
  <features>${features[accelerator]}</features>
  ${processor[accelerator]}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    ${disk(plan.systemDisk, "vda", "semail-system")}
    ${disk(plan.dataDisk, "vdb", "semail-data")}
    ${networkDevice(plan)}
    <serial type='file'><source path='${x(plan.consoleLog)}'/><target port='0'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>
  </devices>
  ${qemuArguments(plan)}
</domain>
`;
}
