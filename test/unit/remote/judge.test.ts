import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { judgeMachine, type Needs, takenPorts } from "../../../tools/remote/judge.ts";
import { type HostFacts, readSurvey, SURVEY } from "../../../tools/remote/survey.ts";

const NOW = 1_760_000_000;
const good: HostFacts = {
  ...{ os: "Debian GNU/Linux 13 (trixie)", debian: true, admin: "root", arch: "x86_64" },
  ...{ dockerd: true, nft: true, socket: true, usable: true, systemd: true, ip6tables: false, bridges: "1" },
  ...{ boot: "enabled", firewall: "", rules: false },
  ...{ configured: false, disk: 20e6, memory: 4e6, time: NOW, synced: "yes", ssh: 22, end: "yes" },
  listeners: [],
};
const needs: Needs = {
  ...{ user: "root", install: false, firewall: false, ports: [], now: NOW, arch: "x86_64" },
};
const bare = { dockerd: false, socket: false, usable: false, nft: false } as const;

describe("a machine", () => {
  it("that has everything is taken as it is", () => {
    assert.deepEqual(judgeMachine(good, needs), { troubles: [], packages: [], start: false });
  });

  const refused: readonly (readonly [string, Partial<HostFacts>, Partial<Needs>, RegExp, RegExp])[] = [
    ["of another system", { debian: false, os: "Fedora" }, {}, /runs Fedora/, /Debian 12/],
    ["of another processor", { arch: "aarch64" }, {}, /aarch64.*x86_64/, /Take a host with x86_64/],
    ["without an engine", bare, {}, /no Docker engine/, /apt-get install docker\.io.*install to true/],
    [
      "without an engine, whose user may not install one",
      { ...bare, admin: "no" },
      { install: true },
      /neither root nor allowed to use sudo/,
      /apt-get install docker\.io/,
    ],
    ["whose engine is stopped", { socket: false, usable: false }, {}, /does not run/, /systemctl enable/],
    [
      "whose engine the user may not use",
      { usable: false, admin: "no" },
      { user: "keeper" },
      /user keeper may not use/,
      /usermod -aG docker keeper/,
    ],
    ["with a full disk", { disk: 1e6 }, {}, /Only 1\.0 GB are free/, /at least 3 GB/],
    ["with little memory", { memory: 500_000 }, {}, /488 MB of memory/, /1 GB/],
    [
      "whose clock is behind",
      { time: NOW - 3_600, synced: "no" },
      {},
      /3600 s behind.*not in sync/,
      /set-ntp/,
    ],
    ["whose clock is ahead", { time: NOW + 61 }, {}, /61 s ahead of/, /set-ntp/],
    [
      "without nftables for its firewall",
      { nft: false },
      { firewall: true },
      /no nftables/,
      /apt-get install nftables/,
    ],
    [
      "whose user may not make a firewall",
      { admin: "no" },
      { firewall: true },
      /needs root/,
      /firewall to false/,
    ],
  ];
  for (const [name, facts, wanted, cause, remedy] of refused)
    it(`${name} is refused, with what to do`, () => {
      const { troubles, packages } = judgeMachine({ ...good, ...facts }, { ...needs, ...wanted });
      assert.equal(troubles.length, 1, JSON.stringify(troubles));
      assert.match(troubles[0]?.cause ?? "", cause);
      assert.match(troubles[0]?.remedy ?? "", remedy);
      assert.deepEqual(packages, []);
    });

  it("gets what it lacks where that is allowed, by root and by sudo", () => {
    for (const admin of ["root", "sudo"] as const)
      assert.deepEqual(
        judgeMachine({ ...good, ...bare, admin }, { ...needs, install: true, firewall: true }),
        {
          ...{ troubles: [], start: true },
          packages: ["docker.io", "iptables", "apparmor", "nftables"],
        },
      );
  });

  it("has every fault told at once", () => {
    const facts = { ...good, ...bare, disk: 1e6, memory: 500_000, time: NOW + 600 };
    assert.equal(judgeMachine(facts, needs).troubles.length, 4);
  });
});

describe("a port of the stack", () => {
  const smtp = { path: "ports.smtp", port: 25, binds: ["0.0.0.0"] };
  const cases: readonly (readonly [string, Parameters<typeof takenPorts>, RegExp | undefined])[] = [
    ["is free when nothing listens", [[smtp], [{ address: "127.0.0.1", port: 26 }], []], undefined],
    [
      "is taken by whoever listens",
      [[smtp], [{ address: "127.0.0.1", port: 25 }], []],
      /25 \(ports\.smtp\) is taken\.$/,
    ],
    [
      "is free beside a listener at another address",
      [[{ ...smtp, binds: ["192.0.2.1"] }], [{ address: "127.0.0.1", port: 25 }], []],
      undefined,
    ],
    [
      "is taken by who listens everywhere",
      [[{ ...smtp, binds: ["192.0.2.1"] }], [{ address: "::", port: 25 }], []],
      /is taken/,
    ],
    [
      "is ours when our own container has it",
      [
        [smtp],
        [{ address: "0.0.0.0", port: 25 }],
        [{ ...{ port: 25, address: "0.0.0.0" }, container: "a", own: true }],
      ],
      undefined,
    ],
    [
      "is taken by another's container, which is named",
      [[smtp], [], [{ ...{ port: 25, address: "0.0.0.0" }, container: "mailcow", own: false }]],
      /by the container mailcow/,
    ],
  ];
  for (const [name, args, problem] of cases)
    it(name, () => {
      const [trouble] = takenPorts(...args);
      if (problem === undefined) assert.equal(trouble, undefined);
      else assert.match(trouble?.cause ?? "", problem);
    });
});

describe("the survey", () => {
  it("is understood as a plain sh answers it", () => {
    const facts = readSurvey(execFileSync("sh", ["-s"], { input: SURVEY, encoding: "utf8" }));
    assert.ok(facts);
    assert.ok(Math.abs(facts.time - Date.now() / 1_000) < 60);
    assert.ok(facts.disk > 0 && facts.memory > 0);
    assert.match(facts.arch, /^\w+$/);
  });

  it("reads addresses in the byte order of the kernel", () => {
    const lines = ["listens=0100007F:1F90", "listens=00000000000000000000000000000000:0019"];
    const answers = Object.entries({ ...good, debian: "yes" })
      .filter(([key]) => key !== "listeners")
      .map(([key, value]) => `${key}=${value === true ? "yes" : value === false ? "no" : String(value)}`);
    assert.deepEqual(readSurvey([...answers, ...lines].join("\n"))?.listeners, [
      { address: "127.0.0.1", port: 8080 },
      { address: "::", port: 25 },
    ]);
  });

  it("that was broken off is none", () => assert.equal(readSurvey("os=Debian\ndebian=yes\n"), undefined));
});
