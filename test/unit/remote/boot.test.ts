import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostChecks } from "../../../tools/doctor/host-checks.ts";
import { checkBoot } from "../../../tools/remote/boot.ts";

type Facts = Parameters<typeof checkBoot>[0];

const good: Facts = { systemd: true, boot: "enabled", rules: true, firewall: "enabled" };
const states = (facts: Partial<Facts>, firewall = true) =>
  checkBoot({ ...good, ...facts }, { firewall }).map(({ trouble, unknown }) =>
    trouble ? "wrong" : unknown === undefined ? "good" : "unknown",
  );

describe("a host that restarts", () => {
  const cases: readonly (readonly [string, Partial<Facts>, string[]])[] = [
    ["comes back with engine and firewall", {}, ["good", "good"]],
    ["has no engine when that is off", { boot: "disabled" }, ["wrong", "good"]],
    ["has no engine when that is masked", { boot: "masked" }, ["wrong", "good"]],
    ["has an engine for this boot alone", { boot: "enabled-runtime" }, ["wrong", "good"]],
    ["may have an engine of another kind", { boot: "not-found" }, ["unknown", "good"]],
    ["may have an engine of which systemd says nothing", { boot: "" }, ["unknown", "good"]],
    ["has no firewall when its service is off", { firewall: "disabled" }, ["good", "wrong"]],
    ["has no firewall when its service is gone", { firewall: "" }, ["good", "wrong"]],
    ["has no firewall yet before the first update", { rules: false, firewall: "" }, ["good"]],
    ["is its owner's to start without systemd", { systemd: false, boot: "" }, []],
  ];
  for (const [name, facts, wanted] of cases) it(name, () => assert.deepEqual(states(facts), wanted));

  it("is asked for no firewall where the config wants none", () =>
    assert.deepEqual(states({ firewall: "disabled" }, false), ["good"]));

  it("is told how to start the engine, a masked one too", () => {
    const [engine] = checkBoot({ ...good, boot: "masked" }, { firewall: true });
    assert.match(engine?.trouble?.remedy ?? "", /`systemctl unmask docker && systemctl enable docker`/);
  });

  it("is an error of the doctor's when it would be without mail", () => {
    const [engine, firewall] = hostChecks(checkBoot({ ...good, boot: "disabled" }, { firewall: true }));
    assert.equal(engine?.findings[0]?.severity, "error");
    assert.equal(engine?.findings[0]?.record, "docker.service");
    assert.deepEqual(firewall?.findings, []);
  });
});
