import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { opensshKey } from "../../components/ssh-key.ts";
import { byType, declare, ENGINE, named, RAW_KEY, reached } from "./declared-stack.ts";

describe("a stack on a VM of its own", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y";
  const network = {
    ...{ kind: "bridge", bridge: "br0", address: "192.0.2.25/24", gateway: "192.0.2.1" },
    nameservers: ["192.0.2.53"],
  };
  const vm = { network, sshKeys: [key], identity: "/keys/mx" };
  const host = { kind: "libvirt", vm, firewall: true };

  it("has its engine where the VM is reached by the key that the stack made", async () => {
    reached.length = 0;
    await declare({ domain: "example.test", dns: { provider: "none" }, host, users: {} });
    const shown = `192.0.2.25 ${opensshKey(RAW_KEY)}`;
    assert.deepEqual(reached, [shown]);
    assert.equal(named("host-engine").inputs.host, ENGINE);
    const { name, folder, dataDisk, authorizedKeys } = named("vm-machine").inputs;
    assert.deepEqual([name, folder], ["semail-dev", "/var/lib/libvirt/images/semail-dev/vm"]);
    assert.equal(dataDisk, "/var/lib/libvirt/images/semail-dev/data.qcow2");
    assert.deepEqual(authorizedKeys, [key]);
    assert.equal(named("vm-data").inputs.deletable, false);
  });

  it("has everything that an engine does done by that one, and nothing by this machine's", async () => {
    const users = { alice: { name: "Alice Martin" } };
    const gone = { id: "bob", uid: "bob", name: "Bob", addresses: [], since: "2026-01-01", left: true };
    const mailboxes = { prior: [gone], today: "2026-02-01" };
    await declare({ domain: "example.test", dns: { provider: "none" }, host, users }, { mailboxes });
    for (const type of ["DiskLimit", "DiscardedVolume"])
      assert.deepEqual(
        byType(type).map(({ inputs }) => inputs.engine),
        [ENGINE],
        type,
      );
  });

  it("has the firewall set anew with each system, by the same way in", () => {
    const { access, system } = named("host-firewall").inputs;
    assert.deepEqual(access, {
      ...{ address: "192.0.2.25", port: 22, user: "root", identity: "/keys/mx" },
      hostKey: opensshKey(RAW_KEY),
    });
    assert.equal(system, "0123456789abcdef");
  });

  it("looks at services less often and waits longer for them where the processor is emulated", async () => {
    const times = (name: string) => {
      const { healthcheck, waitTimeout } = named(name).inputs;
      const { interval, timeout, startPeriod } = healthcheck as Record<string, string>;
      return [interval, timeout, startPeriod, waitTimeout];
    };
    const users = { alice: { name: "Alice Martin" } };
    const emulated = { ...host, vm: { ...vm, accelerator: "tcg" } };
    await declare({ domain: "example.test", dns: { provider: "none" }, host: emulated, users });
    assert.deepEqual(times("mail-smtp-in"), ["30s", "30s", "1m0s", 360]);
    assert.deepEqual(times("person-alice-box"), ["5m0s", "30s", "1m0s", undefined]);
    await declare({ domain: "example.test", dns: { provider: "none" }, host, users });
    assert.deepEqual(times("mail-smtp-in"), ["5s", "5s", "10s", 60]);
    assert.deepEqual(times("person-alice-box"), ["5m0s", "5s", "10s", undefined]);
  });

  it("has no VM on another host", async () => {
    reached.length = 0;
    await declare({ domain: "example.test", users: {} });
    assert.deepEqual(byType("LibvirtVm"), []);
    assert.deepEqual(reached, []);
  });
});

describe("a stack that is reached on IPv6, too", () => {
  it("publishes each port on both, from a network that has both, and lists them as the engine does", async () => {
    await declare({ domain: "example.test", host: { bind6: "::1" }, users: {} });
    assert.deepEqual(named("mail-smtp-in").inputs.ports, [
      { internal: 25, external: 25, ip: "127.0.0.1", protocol: "tcp" },
      { internal: 25, external: 25, ip: "::1", protocol: "tcp" },
    ]);
    const { ipv6, ipamConfigs } = named("host-front").inputs;
    assert.equal(ipv6, true);
    assert.equal((ipamConfigs as unknown[]).length, 2);
    assert.equal(named("host-cells").inputs.ipv6, undefined);
    const [ldap] = named("directory-server").inputs.ports as { ip: string }[];
    assert.equal(ldap?.ip, "127.0.0.1");
  });
});
