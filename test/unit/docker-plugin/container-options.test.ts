import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type ContainerProps,
  createOptions,
  furtherNetworks,
  updateOptions,
} from "../../../tools/docker-plugin/container-options.ts";

const MIB = 1024 * 1024;
const URN = "urn:pulumi:dev::semail::docker:index/container:Container::box";

/** What the properties become, beside what every container gets. */
function options(props: Partial<ContainerProps>) {
  const { name, Image, Labels, HostConfig, ...rest } = createOptions(
    { name: "c", image: "i", ...props },
    URN,
  );
  const { RestartPolicy, ...host } = HostConfig ?? {};
  return { ...rest, ...(Object.keys(host).length === 0 ? {} : { HostConfig: host }) };
}

const rows: [string, Partial<ContainerProps>, object][] = [
  ["nothing", {}, {}],
  [
    "memory in MB",
    { memory: 64, memorySwap: 128 },
    { HostConfig: { Memory: 64 * MIB, MemorySwap: 128 * MIB } },
  ],
  ["unlimited swap", { memorySwap: -1 }, { HostConfig: { MemorySwap: -1 } }],
  ["shared memory in MB", { shmSize: 8 }, { HostConfig: { ShmSize: 8 * MIB } }],
  ["a part of a CPU", { cpus: "0.25" }, { HostConfig: { NanoCpus: 250_000_000 } }],
  [
    "ports with and without address, protocol and external port",
    {
      ports: [
        { internal: 25, external: 2525, ip: "127.0.0.1" },
        { internal: 25, external: 2526 },
        { internal: 53, protocol: "udp" },
      ],
    },
    {
      ExposedPorts: { "25/tcp": {}, "53/udp": {} },
      HostConfig: {
        PortBindings: {
          "25/tcp": [
            { HostIp: "127.0.0.1", HostPort: "2525" },
            { HostIp: "0.0.0.0", HostPort: "2526" },
          ],
          "53/udp": [{ HostIp: "0.0.0.0", HostPort: "" }],
        },
      },
    },
  ],
  [
    "named, host and anonymous volumes",
    {
      volumes: [
        { volumeName: "mail", containerPath: "/srv/mail" },
        { hostPath: "/etc/ssl", containerPath: "/ssl", readOnly: true, selinuxRelabel: "z" },
        { containerPath: "/settings" },
        { fromContainer: "other" },
      ],
    },
    {
      Volumes: { "/settings": {} },
      HostConfig: { Binds: ["mail:/srv/mail:rw", "/etc/ssl:/ssl:ro,z"], VolumesFrom: ["other"] },
    },
  ],
  [
    "the first of the networks, with its fixed address",
    {
      networksAdvanced: [{ name: "front", aliases: ["smtp-in"], ipv4Address: "10.1.0.5" }, { name: "boxes" }],
    },
    {
      NetworkingConfig: {
        EndpointsConfig: { front: { Aliases: ["smtp-in"], IPAMConfig: { IPv4Address: "10.1.0.5" } } },
      },
      HostConfig: { NetworkMode: "front" },
    },
  ],
  ["a network mode", { networkMode: "none" }, { HostConfig: { NetworkMode: "none" } }],
  [
    "a health check in Go durations",
    {
      healthcheck: {
        tests: ["CMD", "/usr/local/bin/healthcheck"],
        interval: "1m30s",
        timeout: "500ms",
        startPeriod: "0s",
        retries: 3,
      },
    },
    {
      Healthcheck: {
        Test: ["CMD", "/usr/local/bin/healthcheck"],
        Interval: 90_000_000_000,
        Timeout: 500_000_000,
        StartPeriod: 0,
        Retries: 3,
      },
    },
  ],
  [
    "confinement",
    {
      readOnly: true,
      init: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      user: "5000:5000",
      tmpfs: { "/tmp": "size=4m" },
    },
    {
      User: "5000:5000",
      HostConfig: {
        ReadonlyRootfs: true,
        Init: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"],
        Tmpfs: { "/tmp": "size=4m" },
      },
    },
  ],
  [
    "host names",
    { hosts: [{ host: "mx", ip: "10.0.0.1" }] },
    { HostConfig: { ExtraHosts: ["mx:10.0.0.1"] } },
  ],
  [
    "log options",
    { logOpts: { "max-size": "1m" } },
    { HostConfig: { LogConfig: { Type: "json-file", Config: { "max-size": "1m" } } } },
  ],
  [
    "limits on files",
    { ulimits: [{ name: "nofile", soft: 10, hard: 20 }] },
    { HostConfig: { Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }] } },
  ],
  ["stopping", { stopSignal: "SIGINT", stopTimeout: 3 }, { StopSignal: "SIGINT", StopTimeout: 3 }],
  [
    "what to run",
    { command: ["-x"], entrypoints: ["/bin/a"], envs: ["A=1"], workingDir: "/w" },
    { Cmd: ["-x"], Entrypoint: ["/bin/a"], Env: ["A=1"], WorkingDir: "/w" },
  ],
];

describe("the options for a new container", () => {
  for (const [what, props, expected] of rows)
    it(`carry ${what}`, () => assert.deepEqual(options(props), expected));

  it("carry the labels and whose container it is", () => {
    const { Labels } = createOptions({ name: "c", image: "i", labels: [{ label: "a", value: "b" }] }, URN);
    assert.deepEqual(Labels, { a: "b", "io.semail.urn": URN });
  });
  it("carry the restart policy", () => {
    const { HostConfig } = createOptions(
      { name: "c", image: "i", restart: "on-failure", maxRetryCount: 2 },
      URN,
    );
    assert.deepEqual(HostConfig?.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 2 });
  });
  it("leave the further networks for later", () => {
    const networksAdvanced = [{ name: "front" }, { name: "boxes", aliases: ["smtp-in"] }];
    assert.deepEqual(furtherNetworks({ name: "c", image: "i", networksAdvanced }), [
      { name: "boxes", endpoint: { Aliases: ["smtp-in"] } },
    ]);
  });
});

describe("the options for a running container", () => {
  const RestartPolicy = { Name: "no", MaximumRetryCount: 0 };
  for (const [what, props, expected] of [
    ["raise the swap limit with the memory", { memory: 64 }, { Memory: 64 * MIB, MemorySwap: 128 * MIB }],
    ["lift both limits", {}, { Memory: 0, MemorySwap: -1 }],
    ["keep a given swap limit", { memory: 64, memorySwap: 64 }, { Memory: 64 * MIB, MemorySwap: 64 * MIB }],
  ] as [string, Partial<ContainerProps>, object][]) {
    it(what, () => {
      const all = { CpuShares: 0, CpusetCpus: "", RestartPolicy, ...expected };
      assert.deepEqual(updateOptions({ name: "c", image: "i", ...props }), all);
    });
  }
});
