import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../../stacks/check-config.ts";
import { buildModel } from "../../../stacks/model.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y";
const ssh = { address: "192.0.2.25", hostKey: KEY };
const bridge = {
  ...{ kind: "bridge", bridge: "br0", address: "192.0.2.25/24", gateway: "192.0.2.1" },
  nameservers: ["192.0.2.53"],
};
const libvirt = (vm: object) => ({
  host: { kind: "libvirt", vm: { network: bridge, sshKeys: [`${KEY} you@example.org`], ...vm } },
});
const base = { domain: "example.org", users: { alice: { name: "Alice" } } };

const problemsOf = (raw: object) =>
  parseConfig({ ...base, ...raw }).problems.map(({ path, message }) => `${path}: ${message}`);

function planOf(host: object | undefined) {
  const { config, problems } = parseConfig({ ...base, ...(host ? { host } : {}) });
  assert.deepEqual(problems, []);
  assert.ok(config);
  return buildModel(config, { project: "semail", stack: "dev" });
}

describe("a host that can't be is refused:", () => {
  const cases: readonly (readonly [name: string, raw: object, problem: RegExp])[] = [
    ["of no known kind", { host: { kind: "cloud" } }, /^host\.kind: must be one of local, ssh, libvirt/],
    ["far away, with no way to it", { host: { kind: "ssh" } }, /^host\.ssh: is missing$/],
    [
      "without its key, whose command is told",
      { host: { kind: "ssh", ssh: { address: "192.0.2.25" } } },
      /^host\.ssh\.hostKey: is missing: .*ssh-keyscan -t ed25519/,
    ],
    [
      "with a fingerprint for a key",
      { host: { kind: "ssh", ssh: { ...ssh, hostKey: "SHA256:abc" } } },
      /^host\.ssh\.hostKey: must be a host key such as/,
    ],
    [
      "whose name is an option of ssh",
      { host: { kind: "ssh", ssh: { ...ssh, address: "-oProxyCommand=id" } } },
      /^host\.ssh\.address: must be a host name/,
    ],
    [
      "whose user is an option of ssh",
      { host: { kind: "ssh", ssh: { ...ssh, user: "-l" } } },
      /^host\.ssh\.user: must be the name/,
    ],
    [
      "with an identity that is relative to who knows what",
      { host: { kind: "ssh", ssh: { ...ssh, identity: "id_ed25519" } } },
      /^host\.ssh\.identity: must be an absolute path/,
    ],
    [
      "by a name, without the address of its records",
      { host: { kind: "ssh", ssh: { ...ssh, address: "mx1.example.org" } } },
      /^host\.address: is missing: the host's public IPv4 address/,
    ],
    [
      "with a name server that nobody reaches",
      { host: { kind: "ssh", ssh }, dns: { provider: "dev" } },
      /^dns\.provider: dev is for host\.kind local/,
    ],
    [
      "with a portal whose operator would have no checkout",
      { host: { kind: "ssh", ssh }, portal: { enabled: true } },
      /^portal\.enabled: needs host\.kind local/,
    ],
    ["that is a VM without a word on it", { host: { kind: "libvirt" } }, /^host\.vm: is missing$/],
    ["that nobody may log in to", libvirt({ sshKeys: [] }), /^host\.vm\.sshKeys: at least one/],
    [
      "with a private key in place of the public one",
      libvirt({ sshKeys: ["-----BEGIN OPENSSH PRIVATE KEY-----"] }),
      /^host\.vm\.sshKeys\.0: must be a line of a \.pub file/,
    ],
    [
      "whose memory is no size",
      libvirt({ memory: "2" }),
      /^host\.vm\.memory: must be a whole number of MB, 768MB/,
    ],
    [
      "with half a gigabyte of disk",
      libvirt({ dataDisk: "1.5GB" }),
      /^host\.vm\.dataDisk: must be a whole number of GB/,
    ],
    [
      "in a folder that would be read as something else in XML",
      libvirt({ folder: "/srv/a&b" }),
      /^host\.vm\.folder: must be an absolute path/,
    ],
    [
      "on a bridge without its prefix",
      libvirt({ network: { ...bridge, address: "192.0.2.25" } }),
      /^host\.vm\.network\.address: must be an address with its prefix/,
    ],
    [
      "on no known kind of network",
      libvirt({ network: { kind: "wifi" } }),
      /^host\.vm\.network\.kind: must be one of bridge, network, user/,
    ],
    [
      "that nobody outside reaches, without the address of its records",
      libvirt({ network: { kind: "user", sshPort: 2222 } }),
      /^host\.address: is missing/,
    ],
    [
      "with a port for sshd that is a service's",
      libvirt({ network: { kind: "user", sshPort: 587 } }),
      /^host\.vm\.network\.sshPort: 587 is already ports\.submission$/,
    ],
    [
      "that is a VM, with a portal whose operator would have no checkout",
      { ...libvirt({}), portal: { enabled: true } },
      /^portal\.enabled: needs host\.kind local/,
    ],
    ["on this machine, with a key of another kind", { host: { ssh } }, /^host\.ssh: is not a known key$/],
  ];
  for (const [name, raw, problem] of cases)
    it(name, () => {
      const problems = problemsOf(raw);
      assert.ok(
        problems.some((text) => problem.test(text)),
        `${problem} not among ${JSON.stringify(problems)}`,
      );
    });
});

describe("the plan of a host", () => {
  it("is this machine's loopback by default", () => {
    const { host, network } = planOf(undefined);
    assert.deepEqual(host, {
      ...{ kind: "local", binds: ["127.0.0.1"], reach: "127.0.0.1" },
      ...{ address: undefined, address6: undefined, remote: undefined, vm: undefined },
    });
    assert.equal(network.front6, undefined);
  });

  it("has a machine far away publish on all its addresses and reached where sshd is", () => {
    const { host } = planOf({ kind: "ssh", ssh: { ...ssh, port: 2222, identity: "~/.ssh/mx" } });
    assert.deepEqual(host, {
      ...{ kind: "ssh", binds: ["0.0.0.0"], reach: "192.0.2.25" },
      ...{ address: "192.0.2.25", address6: undefined },
      remote: {
        login: { ...ssh, port: 2222, user: "root", identity: "~/.ssh/mx" },
        ...{ install: false, firewall: false },
      },
      vm: undefined,
    });
  });

  it("publishes on IPv6 where the records say so, from a network that has it", () => {
    const { host, network, records } = planOf({ kind: "ssh", ssh, address6: "2001:db8::25" });
    assert.deepEqual(host.binds, ["0.0.0.0", "::"]);
    assert.match(network.front6 ?? "", /^fd53:[0-9a-f]{1,4}:[0-9a-f]{1,4}::\/64$/);
    assert.ok(records.some(({ type }) => type === "AAAA"));
    assert.deepEqual(planOf({ bind6: "::1" }).host.binds, ["127.0.0.1", "::1"]);
  });

  it("takes a host key as ssh-keyscan and .pub files write it", () => {
    for (const hostKey of [`mx.example.org ${KEY}`, `${KEY} root@mx`, ` ${KEY}\n`])
      assert.equal(planOf({ kind: "ssh", ssh: { ...ssh, hostKey } }).host.remote?.login.hostKey, KEY);
  });

  it("has a VM on a bridge be a host with that address, whose key the stack makes", () => {
    const { host, records } = planOf(libvirt({ identity: "~/.ssh/mx", memory: "3GB" }).host);
    const { vm, ...rest } = host;
    assert.deepEqual(rest, {
      ...{
        kind: "libvirt",
        binds: ["0.0.0.0"],
        reach: "192.0.2.25",
        address: "192.0.2.25",
        address6: undefined,
      },
      remote: {
        login: { address: "192.0.2.25", port: 22, user: "root", identity: "~/.ssh/mx", hostKey: undefined },
        ...{ install: false, firewall: false },
      },
    });
    assert.deepEqual([vm?.memoryMiB, vm?.systemGiB, vm?.dataGiB, vm?.name], [3072, 8, 32, undefined]);
    assert.deepEqual(vm?.network, bridge);
    assert.ok(records.some(({ type, values }) => type === "A" && values[0] === "192.0.2.25"));
    const six = { ...bridge, address6: "2001:db8::25/64" };
    assert.deepEqual(planOf(libvirt({ network: six }).host).host.binds, ["0.0.0.0", "::"]);
  });

  it("forwards each port that is published to a VM behind this machine, and none of loopback's", () => {
    const network = { kind: "user", sshPort: 2222 };
    const { host } = planOf({ ...libvirt({ network }).host, address: "192.0.2.1" });
    assert.equal(host.reach, "127.0.0.1");
    assert.deepEqual([host.remote?.login.address, host.remote?.login.port], ["127.0.0.1", 2222]);
    const forwards = host.vm?.network.kind === "user" ? host.vm.network.forwards : [];
    assert.deepEqual(
      forwards.map(({ hostPort, guestPort }) => `${hostPort}:${guestPort}`),
      ["2222:22", "25:25", "587:587", "465:465", "143:143", "993:993", "4190:4190"],
    );
  });
});
