import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { disconnect } from "@pulumi/pulumi/runtime/settings.js";
import { MailVm, type MailVmArgs, type VmAccess } from "../../components/mail-vm.ts";
import { opensshKey } from "../../components/ssh-key.ts";

const RAW_KEY = Buffer.alloc(32, 7).toString("base64");
const SECRET = "4dabf18193072939515e22adb298388d";

interface Registered {
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

const args: MailVmArgs = {
  ...{ prefix: "semail-prod", folder: "/var/lib/libvirt/images/semail-prod", vcpus: 2, memoryMiB: 2048 },
  ...{ systemGiB: 8, dataGiB: 50, authorizedKeys: ["ssh-ed25519 AAAA you"] },
  network: {
    ...{ kind: "bridge", bridge: "br0", address: "192.0.2.25/24", gateway: "192.0.2.1" },
    nameservers: ["192.0.2.53"],
  },
  ...{ edition: "", autostart: true, accelerator: "auto", bootSeconds: 300 },
  policy: { protect: true, keepVolumes: true },
};

/** What the component registers, and what it says of the way in. */
async function declare(change: Partial<MailVmArgs> = {}) {
  const registered: Registered[] = [];
  await pulumi.runtime.setMocks({
    newResource: ({ name, inputs }) => {
      registered.push({ name, inputs });
      const key = { publicKeyBase64: RAW_KEY, privateKeyPem: "-----BEGIN PRIVATE KEY-----" };
      const image = {
        recipe: "0123456789abcdef",
        disk: "/i/disk",
        kernel: "/i/vmlinuz",
        initrd: "/i/initrd",
      };
      const outputs = name.endsWith("-key") ? key : name.endsWith("-image") ? image : {};
      return { id: name, state: { ...inputs, ...outputs } };
    },
    call: () => ({}),
  });
  const vm = new MailVm("vm", { ...args, ...change });
  const access = await new Promise<VmAccess>((resolve) => vm.access.apply(resolve));
  await disconnect();
  const inputsOf = (name: string) => registered.find((each) => each.name === name)?.inputs ?? {};
  return { access, inputsOf };
}

test("the machine is reached with a host key that the stack made before its first start", async () => {
  const { access, inputsOf } = await declare();
  const hostKey = opensshKey(RAW_KEY);
  assert.deepEqual(access, { address: "192.0.2.25", port: 22, user: "root", hostKey });
  const machine = inputsOf("vm-machine");
  assert.equal(machine.hostKey, hostKey);
  assert.ok(JSON.stringify(machine.hostKeyPem).includes(SECRET), "the private half travels as a secret");
  assert.deepEqual(machine.image, {
    ...{ id: "0123456789abcdef", disk: "/i/disk", kernel: "/i/vmlinuz", initrd: "/i/initrd" },
  });
});

test("the mail's disk is the machine's data disk, outside of what goes with the machine", async () => {
  const { inputsOf } = await declare();
  const { path, domain } = inputsOf("vm-data");
  const { dataDisk, name, folder } = inputsOf("vm-machine");
  assert.deepEqual([path, domain], [dataDisk, name]);
  assert.ok(!String(path).startsWith(`${folder}/`));
});

const policies = [
  { policy: { protect: true, keepVolumes: true }, deletable: false },
  { policy: { protect: true, keepVolumes: false }, deletable: false },
  { policy: { protect: false, keepVolumes: true }, deletable: false },
  { policy: { protect: false, keepVolumes: false }, deletable: true },
];
for (const { policy, deletable } of policies) {
  test(`the mail's disk may be deleted: ${deletable}, with ${JSON.stringify(policy)}`, async () => {
    const { inputsOf } = await declare({ policy });
    assert.equal(inputsOf("vm-data").deletable, deletable);
  });
}
