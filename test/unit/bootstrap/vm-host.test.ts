import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../../tools/bootstrap/fault.ts";
import { chooseVmHost } from "../../../tools/bootstrap/libvirt.ts";

const machine = { root: true, debian: true, systemd: true, has: () => true };
const cases = [
  { name: "all is there", change: {}, wanted: "ready" },
  {
    name: "something is missing on Debian",
    change: { has: (program: string) => program !== "virsh" },
    wanted: "install",
  },
  { name: "not root", change: { root: false }, wanted: /as root/ },
  {
    name: "something is missing elsewhere",
    change: { debian: false, has: (program: string) => program !== "virsh" },
    wanted: /hasn't: virsh\./,
  },
];
for (const { name, change, wanted } of cases) {
  test(`a machine for VMs: ${name}`, () => {
    const choice = chooseVmHost({ ...machine, ...change });
    if (typeof wanted === "string") assert.equal(choice, wanted);
    else assert.ok(choice instanceof Fault && wanted.test(choice.message));
  });
}
