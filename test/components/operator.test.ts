import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findOperatorPlace } from "../../stacks/operator-place.ts";
import { declare, machine, named, registered } from "./declared-stack.ts";

describe("the operator", () => {
  const users = { alice: { name: "Alice" } };

  it("is no part of a stack without the portal", async () => {
    await declare({ domain: "example.test", users });
    assert.ok(!registered.some(({ name }) => /^(operator|portal)|-portal$/.test(name)));
  });

  it("publishes nothing, and has no right but what the checkout's owner has with the engine", async () => {
    await declare({ domain: "example.test", users, portal: { enabled: true } }, { operatorPlace: machine });
    const { inputs } = named("operator-server");
    assert.deepEqual(
      [
        inputs.user,
        inputs.readOnly,
        inputs.capabilities,
        inputs.securityOpts,
        inputs.ports,
        inputs.networkMode,
      ],
      ["1000:998", true, { drops: ["ALL"] }, ["no-new-privileges:true"], undefined, "host"],
    );
    assert.equal(inputs.networksAdvanced, undefined);
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-operator", containerPath: "/run/semail/operator" },
      { hostPath: "/srv/semail", containerPath: "/srv/semail" },
      { hostPath: "/opt/pulumi", containerPath: "/opt/pulumi", readOnly: true },
    ]);
  });

  it("is asked by the portal alone, which has nothing else of the machine", async () => {
    await declare({ domain: "example.test", users, portal: { enabled: true } }, { operatorPlace: machine });
    const { inputs } = named("portal-server");
    assert.deepEqual(
      [inputs.user, inputs.readOnly, inputs.capabilities, inputs.securityOpts, inputs.memory],
      ["5027:5027", true, { drops: ["ALL"] }, ["no-new-privileges:true"], 160],
    );
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-operator", containerPath: "/run/semail/operator" },
      { volumeName: "semail-dev-portal", containerPath: "/var/lib/semail-portal" },
      { volumeName: "semail-dev-portal-settings", containerPath: "/settings", readOnly: true },
    ]);
    assert.deepEqual(inputs.ports, [{ internal: 8443, external: 8443, ip: "127.0.0.1", protocol: "tcp" }]);
  });

  it("tells the program that it runs where it is, so that it doesn't replace itself", async () => {
    await declare({ domain: "example.test", users, portal: { enabled: true } }, { operatorPlace: machine });
    const envs = named("operator-server").inputs.envs as string[];
    const place = envs.find((env) => env.startsWith("SEMAIL_OPERATOR_PLACE="))?.slice(22);
    assert.deepEqual(
      await findOperatorPlace({ SEMAIL_OPERATOR_PLACE: place }, "/elsewhere", "other"),
      machine,
    );
  });
});
