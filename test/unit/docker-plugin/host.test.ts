import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  configFailures,
  decodeSetting,
  fromVariables,
  parseHost,
  providerConfig,
} from "../../../tools/docker-plugin/host.ts";
import { sshArguments } from "../../../tools/docker-plugin/ssh.ts";
import { UNKNOWN } from "../../../tools/docker-plugin/values.ts";

describe("the engine's address", () => {
  for (const [text, expected] of [
    ["unix:///run/x.sock", { kind: "unix", path: "/run/x.sock" }],
    ["unix://", { kind: "unix", path: "/var/run/docker.sock" }],
    ["tcp://10.0.0.1:2376", { kind: "tcp", host: "10.0.0.1", port: 2376 }],
    ["tcp://host", { kind: "tcp", host: "host", port: 2375 }],
    ["tcp://[::1]:1", { kind: "tcp", host: "::1", port: 1 }],
    ["ssh://root@mail.example", { kind: "ssh", destination: "root@mail.example" }],
    ["ssh://mail.example:2222", { kind: "ssh", destination: "mail.example", port: 2222 }],
  ] as const) {
    it(text, () => assert.deepEqual(parseHost(text), expected));
  }
  for (const text of ["", "mail.example", "http://x", "ssh://", "tcp://:1", "ssh://-oProxyCommand=x"]) {
    it(`is refused: ${JSON.stringify(text)}`, () => assert.equal(typeof parseHost(text), "string"));
  }
  it("can't smuggle options into ssh", () => {
    const args = sshArguments({ destination: "root@h", port: 22, options: ["-i", "key"] });
    assert.deepEqual(args.slice(-3), ["--", "root@h", "docker system dial-stdio"]);
  });
});

describe("the provider's settings", () => {
  it("come decoded from the engine's text", () => {
    assert.deepEqual(decodeSetting('["-o","x"]'), ["-o", "x"]);
    assert.equal(decodeSetting("true"), true);
    assert.equal(decodeSetting("ssh://x"), "ssh://x");
    assert.equal(decodeSetting("[broken"), "[broken");
  });
  it("are found under their namespace", () => {
    assert.deepEqual(fromVariables([["docker:config:host", "tcp://x"]]), { host: "tcp://x" });
  });
  for (const [what, settings, environment, host] of [
    ["the setting first", { host: "tcp://a" }, { DOCKER_HOST: "tcp://b" }, "tcp://a"],
    ["then the environment", {}, { DOCKER_HOST: "tcp://b" }, "tcp://b"],
    ["then this machine", {}, {}, "unix:///var/run/docker.sock"],
  ] as const) {
    it(`name the host: ${what}`, () => assert.equal(providerConfig(settings, environment).host, host));
  }
  for (const [what, settings, properties] of [
    ["nothing", {}, []],
    ["an address and the engine's own", { host: "ssh://x", version: "5.2.0" }, []],
    ["an address that is still to come", { host: UNKNOWN }, []],
    ["a wrong address", { host: "http://x" }, ["host"]],
    ["what only the official plugin can", { registryAuth: [] }, ["registryAuth"]],
  ] as const) {
    it(`are checked: ${what}`, () =>
      assert.deepEqual(
        configFailures(settings).map((each) => each.property),
        properties,
      ));
  }
});
