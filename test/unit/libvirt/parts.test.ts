import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../../../components/providers/libvirt/remedies.ts";
import { mmdebstrapArguments, recipeHash } from "../../../components/providers/libvirt-image/recipe.ts";
import {
  type DomainPlan,
  domainXml,
  escapeXml,
  macOf,
  uuidOf,
} from "../../../components/providers/libvirt-vm/domain-xml.ts";
import {
  Network,
  networkFile,
  resolvConf,
  sshPlace,
} from "../../../components/providers/libvirt-vm/network.ts";
import { opensshKey } from "../../../components/ssh-key.ts";

const fixed = { address: "192.0.2.25/24", gateway: "192.0.2.1", nameservers: ["192.0.2.53", "2001:db8::53"] };
const user = Network.parse({ kind: "user", isolated: true, forwards: [{ hostPort: 2240, guestPort: 22 }] });
const bridge = Network.parse({ kind: "bridge", bridge: "br0", ...fixed });
const nat = Network.parse({ kind: "network", network: "default", ...fixed });
const six = Network.parse({ ...bridge, address6: "2001:db8::25/64", gateway6: "fe80::1" });

const plan: DomainPlan = {
  name: "mx1",
  accelerator: "tcg",
  vcpus: 2,
  maxVcpus: 4,
  memoryMiB: 1024,
  maxMemoryMiB: 2048,
  network: user,
  kernel: "/v/vmlinuz",
  initrd: "/v/initrd",
  systemDisk: "/v/system.qcow2",
  dataDisk: "/v/data.qcow2",
  consoleLog: "/v/console.log",
  credentials: { "semail.ssh-host-key": "/v/ssh-host-key" },
};

const xml: { name: string; change: Partial<DomainPlan>; has: string[]; lacks?: string[] }[] = [
  {
    name: "an emulated guest on a user-mode network that is shut off and listens on the loopback only",
    change: {},
    has: [
      "<domain type='qemu'",
      "<model fallback='forbid'>qemu64</model>",
      "mitigations=off",
      "systemd.default_timeout_start_sec=300",
      "restrict=on,hostfwd=tcp:127.0.0.1:2240-:22'",
      "<entry name='opt/io.systemd.credentials/semail.ssh-host-key' file='/v/ssh-host-key'/>",
      "<vcpu current='2'>4</vcpu>",
      "<memory unit='MiB'>2048</memory>",
      "<currentMemory unit='MiB'>1024</currentMemory>",
    ],
    lacks: ["<interface", "cache='unsafe'"],
  },
  {
    name: "KVM, with every guard of the kernel on",
    change: { accelerator: "kvm" },
    has: ["<domain type='kvm'", "host-passthrough"],
    lacks: ["mitigations=off", "nokaslr", "default_timeout", "<tcg>", "apparmor=0"],
  },
  {
    name: "a bridge",
    change: { network: bridge },
    has: ["<interface type='bridge'>", `<mac address='${macOf("mx1")}'/><source bridge='br0'/>`],
    lacks: ["qemu:commandline"],
  },
  {
    name: "a network of libvirt's",
    change: { network: nat },
    has: ["<interface type='network'>", "<source network='default'/>"],
  },
  {
    name: "text that XML would read is escaped",
    change: { kernel: "/v/a&b'<c>\"" },
    has: ["<kernel>/v/a&amp;b&apos;&lt;c&gt;&quot;</kernel>"],
  },
];
for (const { name, change, has, lacks = [] } of xml) {
  test(`domain XML: ${name}`, () => {
    const text = domainXml({ ...plan, ...change });
    for (const part of has) assert.ok(text.includes(part), part);
    for (const part of lacks) assert.ok(!text.includes(part), part);
  });
}

test("names make addresses and ids that libvirt takes, the same each time and different for each", () => {
  assert.match(uuidOf("mx1"), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.match(macOf("mx1"), /^52:54:00(:[0-9a-f]{2}){3}$/);
  assert.notEqual(uuidOf("mx1"), uuidOf("mx2"));
  assert.notEqual(macOf("mx1"), macOf("mx2"));
  assert.equal(uuidOf("mx1"), uuidOf("mx1"));
  assert.equal(escapeXml("plain"), "plain");
});

const files = [
  {
    network: user,
    file: "Address=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    resolv: "nameserver 10.0.2.3\n",
    place: { address: "127.0.0.1", port: 2240 },
  },
  {
    network: six,
    file: "Address=192.0.2.25/24\nGateway=192.0.2.1\nAddress=2001:db8::25/64\nGateway=fe80::1\nIPv6AcceptRA=no\n",
    resolv: "nameserver 192.0.2.53\nnameserver 2001:db8::53\n",
    place: { address: "192.0.2.25", port: 22 },
  },
];
for (const { network, file, resolv, place } of files) {
  test(`the guest's own network settings: ${network.kind}`, () => {
    assert.ok(networkFile(network).endsWith(`DHCP=no\n${file}`));
    assert.equal(resolvConf(network), resolv);
    assert.deepEqual(sshPlace(network), place);
  });
}

/** Complaints as the programs of Debian 12 word them. */
const complaints: [string, RegExp][] = [
  [
    "error: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
    /systemctl enable --now libvirtd/,
  ],
  [
    "error: Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
    /adduser USER libvirt/,
  ],
  [
    "error: authentication unavailable: no polkit agent available to authenticate action",
    /adduser USER libvirt/,
  ],
  [
    "error: Failed to connect socket to '/var/run/libvirt/virtlogd-sock': No such file or directory",
    /virtlogd/,
  ],
  [
    "error: Cannot access storage file '/root/d.qcow2' (as uid:64055, gid:64055): Permission denied",
    /below \/var\/lib\/libvirt\/images/,
  ],
  [
    "qemu-system-x86_64: -netdev user,id=semail: Could not set up host forwarding rule 'tcp:127.0.0.1:22-:22'",
    /in use/,
  ],
  ["error: Requested operation is not valid: network 'default' is not active", /virsh net-start/],
  ["error: Cannot get interface MTU on 'br0': No such device", /no such bridge/],
  ["Could not access KVM kernel module: No such file or directory", /tcg/],
  ['qemu-system-x86_64: Failed to get "write" lock', /Another VM has that disk/],
  ["qemu-img: Could not resize: No space left on device", /disk is full/],
  ["something new", /^$/],
];
for (const [complaint, remedy] of complaints) {
  test(`a remedy for: ${complaint}`, () => assert.match(explain(complaint), remedy));
}

test("an image is another when its files, its edition or its packages are; not when it is made elsewhere", () => {
  const content = Buffer.from("x");
  const one = [
    { path: "etc/a", content },
    { path: "etc/b", content },
  ];
  const hash = recipeHash("", one);
  assert.match(hash, /^[0-9a-f]{16}$/);
  assert.equal(recipeHash("", one.toReversed()), hash);
  assert.notEqual(recipeHash("2026-12", one), hash);
  assert.notEqual(
    recipeHash("", [{ path: "etc/ab", content }]),
    recipeHash("", [{ path: "etc/a", content: Buffer.from("bx") }]),
  );
  const args = mmdebstrapArguments({ guest: "/it's here", target: "/t" });
  assert.ok(args.some((arg) => arg.includes(`'/it'\\''s here'/.`)));
});

test("a host key is written as OpenSSH writes it", () => {
  const written = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKnWw8OAAZZsVeDnJzYFFTa7oltQoR4ycy4s+S6boIs/";
  const raw = Buffer.from(written.split(" ")[1] ?? "", "base64").subarray(-32);
  assert.equal(opensshKey(raw.toString("base64")), written);
  assert.throws(() => opensshKey("AAAA"), /32 bytes, not 3/);
});
