import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostChecks } from "../../../tools/doctor/host-checks.ts";
import { checkBridges } from "../../../tools/remote/bridges.ts";
import { said } from "../doctor/said.ts";

describe("a host whose bridges", () => {
  const cases = [
    ["hand frames to the firewall keeps boxes apart", "1", []],
    [
      "pass the firewall by does not, which is an error",
      "0",
      [
        "error: Bridges pass the firewall by: boxes reach each other where guard doesn't run, or the kernel has no rules for bridges.",
      ],
    ],
    [
      "are not to be seen may be another machine",
      "",
      ["unknown: there is no net.bridge.bridge-nf-call-iptables: is the engine another machine's?"],
    ],
  ] as const;
  for (const [name, bridges, wanted] of cases)
    it(name, () => assert.deepEqual(said(hostChecks([checkBridges({ bridges })])), wanted));

  it("pass it by are set right by what the doctor says", () => {
    const [finding] = hostChecks([checkBridges({ bridges: "0" })])[0]?.findings ?? [];
    assert.equal(finding?.record, "net.bridge.bridge-nf-call-iptables");
    assert.match(finding?.remedy ?? "", /`sysctl -w net\.bridge\.bridge-nf-call-iptables=1`/);
  });
});
