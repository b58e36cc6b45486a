import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../../stacks/check-config.ts";
import { buildModel } from "../../../stacks/model.ts";
import { checkProcessors, requireProcessors } from "../../../stacks/processors.ts";

const limits: readonly (readonly [what: string, cpus: number, there: number | undefined, ok: boolean])[] = [
  ["all of the host's", 4, 4, true],
  ["a part of one", 0.5, 1, true],
  ["more than there are", 4.5, 4, false],
  ["two where there is one", 2, 1, false],
  ["any where nobody can be asked", 64, undefined, true],
];

describe("of processors, a box", () => {
  for (const [what, cpus, there, ok] of limits)
    it(`may ${ok ? "" : "not "}use ${what}`, () => {
      const [problem, ...more] = checkProcessors(cpus, there);
      assert.deepEqual([problem === undefined, more], [ok, []]);
      if (problem) assert.equal(problem.path, "defaults.cpus");
      if (problem)
        assert.match(
          problem.message,
          new RegExp(`^${cpus} is more than the host has \\(${there} pro.*: ${there} at`),
        );
    });
});

const vm = {
  ...{
    vcpus: 2,
    sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y"],
  },
  network: {
    ...{ kind: "bridge", bridge: "br0", address: "192.0.2.25/24", gateway: "192.0.2.1" },
    nameservers: ["192.0.2.53"],
  },
};
const libvirt = { host: { kind: "libvirt", vm }, dns: { provider: "none" } };
const alice = { name: "Alice" };

interface Case {
  readonly cpus: number;
  readonly has: number | undefined;
  readonly keys?: object;
  readonly users?: object;
  /** Whether the engine was asked, and the update goes on. */
  readonly wanted: readonly [asked: boolean, goesOn: boolean];
}

const cases: Record<string, Case> = {
  "asks no engine for what every host has": { cpus: 1, has: 1, wanted: [false, true] },
  "goes on where the engine has as many": { cpus: 4, has: 4, wanted: [true, true] },
  "is refused where it has fewer": { cpus: 8, has: 4, wanted: [true, false] },
  "goes on where it can't be asked": { cpus: 8, has: undefined, wanted: [true, true] },
  "asks nobody where nobody has a box": {
    ...{ cpus: 8, has: 4, users: { alice: { ...alice, state: "none" } }, wanted: [false, true] },
  },
  "knows those of a VM that it makes": { cpus: 2, has: undefined, keys: libvirt, wanted: [false, true] },
  "is refused where that gets fewer": { cpus: 3, has: undefined, keys: libvirt, wanted: [false, false] },
};

describe("an update", () => {
  for (const [what, { cpus, has, keys = {}, users = { alice }, wanted }] of Object.entries(cases))
    it(what, async () => {
      const { config, problems } = parseConfig({
        domain: "example.test",
        users,
        defaults: { cpus },
        ...keys,
      });
      assert.ok(config, JSON.stringify(problems));
      const asked: unknown[] = [];
      const ask = async (engine: string | undefined) => {
        asked.push(engine);
        if (has === undefined) throw new Error("no engine");
        return has;
      };
      const model = buildModel(config, { project: "semail", stack: "dev" });
      const [isAsked, goesOn] = wanted;
      const checked = requireProcessors({ model, engine: "unix:///e", ask });
      if (goesOn) await checked;
      else await assert.rejects(checked, /defaults\.cpus: .*more than the host has/);
      assert.deepEqual(asked, isAsked ? ["unix:///e"] : []);
    });
});
