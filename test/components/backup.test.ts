import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byType, declare, named, plain, registered } from "./declared-stack.ts";

describe("the backup", () => {
  const config = (backup: object) => ({
    domain: "example.test",
    users: { alice: { name: "Alice" } },
    dns: { provider: "none" },
    backup,
  });

  it("is no part of a stack that does not ask for it", async () => {
    await declare(config({}));
    assert.ok(!registered.some(({ name }) => /^backup/.test(name)));
  });

  it("is a pattern that never runs, has nobody's mail and no network, and a repository that stays", async () => {
    await declare(config({ enabled: true }));
    const { inputs } = named("backup-job");
    assert.equal(inputs.start, false);
    assert.equal(inputs.networkMode, "none");
    assert.equal(inputs.readOnly, true);
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-backup", containerPath: "/repository" },
      { volumeName: "semail-dev-backup-settings", containerPath: "/settings", readOnly: true },
    ]);
    assert.doesNotMatch(JSON.stringify(inputs), /0123456789abcdef/);
  });
});

describe("the version of settings, which anybody may read who sees the container", () => {
  const versions = async (backupPassword: string, random: string) => {
    const raw = { domain: "example.test", users: {}, dns: { provider: "none" }, backup: { enabled: true } };
    await declare(raw, { backupPassword, random });
    return new Map(
      byType("container:Container").flatMap(({ name, inputs }) => {
        const envs = plain<unknown[]>(inputs.envs ?? []).map(plain<string>);
        return envs
          .filter((env) => env.startsWith("SETTINGS_VERSION="))
          .map((env) => [name, env.slice("SETTINGS_VERSION=".length)] as const);
      }),
    );
  };

  it("is another for another password, and the same for the same", async () => {
    const one = (await versions("sunshine1", "00".repeat(16))).get("backup-job");
    assert.match(one ?? "", /^[0-9a-f]{16}$/);
    assert.equal((await versions("sunshine1", "00".repeat(16))).get("backup-job"), one);
    assert.notEqual((await versions("sunshine2", "00".repeat(16))).get("backup-job"), one);
  });

  it("doesn't follow from what a person chose alone", async () => {
    const before = await versions("sunshine1", "00".repeat(16));
    const holders = registered.filter(({ inputs }) => JSON.stringify(inputs).includes("sunshine1"));
    assert.deepEqual(
      holders.map(({ name }) => name),
      ["backup-job-settings-files"],
    );
    const after = await versions("sunshine1", "11".repeat(16));
    for (const { name } of holders) {
      const service = name.replace(/-settings-files$/, "");
      assert.notEqual(after.get(service), before.get(service), service);
    }
  });
});

describe("the backup's timer", () => {
  it("is there where a schedule is, after the people, with the engine's socket and nobody's mail", async () => {
    const users = { alice: { name: "Alice" } };
    const base = { domain: "example.test", users, dns: { provider: "none" } };
    await declare({ ...base, backup: { enabled: true } });
    assert.ok(!registered.some(({ name }) => name.startsWith("backup-timer")));
    await declare({ ...base, backup: { enabled: true, schedule: ["02:30", "14:30"] } });
    const { inputs } = named("backup-timer");
    assert.equal(inputs.readOnly, true);
    assert.deepEqual(inputs.capabilities, { drops: ["ALL"] });
    assert.deepEqual(inputs.securityOpts, ["no-new-privileges:true"]);
    assert.equal(inputs.ports, undefined);
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-backup-timer", containerPath: "/var/lib/semail" },
      { hostPath: "/var/run/docker.sock", containerPath: "/var/run/docker.sock" },
    ]);
    assert.ok((inputs.envs as string[]).includes("BACKUP_TIMES=02:30 14:30"));
    const order = registered.map(({ name }) => name);
    assert.ok(order.indexOf("person-alice-entry") < order.indexOf("backup-timer"));
  });
});
