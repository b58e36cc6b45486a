import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type Docker from "dockerode";
import { importedInputs, withDrift } from "../../../tools/docker-plugin/container-state.ts";
import { demultiplexed, judge } from "../../../tools/docker-plugin/readiness.ts";

const MIB = 1024 * 1024;

function info(
  changes: { State?: object; HostConfig?: object; Networks?: object } = {},
): Docker.ContainerInspectInfo {
  return {
    Id: "0123456789abcdef",
    Name: "/box",
    State: { Running: true, Restarting: false, ExitCode: 0, ...changes.State },
    HostConfig: {
      Memory: 64 * MIB,
      CpuShares: 0,
      CpusetCpus: "",
      RestartPolicy: { Name: "no" },
      ...changes.HostConfig,
    },
    Config: {
      Image: "semail/box:1",
      Hostname: "0123456789ab",
      Labels: { "io.semail.urn": "u", a: "b" },
      Env: ["PATH=/bin", "A=1"],
    },
    NetworkSettings: {
      Networks: changes.Networks ?? { front: { NetworkID: "n1", Aliases: ["box", "0123456789ab"] } },
      Ports: {},
    },
    Mounts: [],
  } as unknown as Docker.ContainerInspectInfo;
}

const inputs = {
  name: "box",
  image: "semail/box:1",
  memory: 64,
  networksAdvanced: [{ name: "front", aliases: ["box"] }],
};
const down = { State: { Running: false, ExitCode: 137 } };

describe("what was changed by hand", () => {
  for (const [what, changes, props, drift] of [
    ["nothing", {}, {}, {}],
    ["memory", { HostConfig: { Memory: 32 * MIB } }, {}, { memory: 32 }],
    ["restart policy", { HostConfig: { RestartPolicy: { Name: "always" } } }, {}, { restart: "always" }],
    ["stopped", down, {}, { mustRun: false }],
    ["stopped, and may be", down, { mustRun: false }, {}],
    ["never started, as asked", down, { start: false }, {}],
    ["about to be started again", { State: { Running: false, Restarting: true } }, {}, {}],
    ["disconnected", { Networks: {} }, {}, { networksAdvanced: [] }],
    ["connected by the network's id", {}, { networksAdvanced: [{ name: "n1" }] }, {}],
  ] as const) {
    it(`shows: ${what}`, () => {
      const before = { ...inputs, ...props };
      assert.deepEqual(withDrift(before, info(changes)), { ...before, ...drift });
    });
  }
});

describe("a container to be imported", () => {
  it("shows what is its own and not its image's", () => {
    const image = { Config: { Env: ["PATH=/bin"], Labels: {} } } as unknown as Docker.ImageInspectInfo;
    assert.deepEqual(importedInputs(info(), image), {
      ...inputs,
      envs: ["A=1"],
      labels: [{ label: "a", value: "b" }],
    });
  });
});

describe("the verdict on a container that was started", () => {
  const health = (Status: string) => ({ Running: true, Health: { Status } });
  for (const [what, state, props, expected] of [
    ["running, as long as it settles", { Running: true }, {}, /^coming$/],
    ["ended", { Running: false, ExitCode: 1 }, {}, /ended at once \(exit code 1\)/],
    ["ended, and may", { Running: false, ExitCode: 0 }, { mustRun: false }, /^up$/],
    ["healthy", health("healthy"), { wait: true }, /^up$/],
    ["not yet healthy", health("starting"), { wait: true }, /^coming$/],
    ["unhealthy", health("unhealthy"), { wait: true }, /is unhealthy/],
    ["unhealthy, but not waited for", health("unhealthy"), {}, /^coming$/],
    ["waited for without a health check", { Running: true }, { wait: true }, /has no health check/],
    ["ended while waited for", { Running: false, ExitCode: 2 }, { wait: true }, /ended at once/],
    [
      "between restarts",
      { Running: false, Restarting: true, Health: { Status: "starting" } },
      { wait: true },
      /^coming$/,
    ],
  ] as const) {
    it(what, () =>
      assert.match(judge({ State: state } as unknown as Docker.ContainerInspectInfo, props), expected),
    );
  }
  it("many restarts", () => {
    assert.match(
      judge({ State: { Running: true }, RestartCount: 5 } as unknown as Docker.ContainerInspectInfo, {}),
      /again and again/,
    );
  });
});

describe("a container's log", () => {
  it("is put together from its chunks", () => {
    const chunk = (text: string) =>
      Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
    assert.equal(demultiplexed(Buffer.concat([chunk("a\n"), chunk("b\n")])), "a\nb\n");
    assert.equal(demultiplexed(Buffer.from("")), "");
  });
});
