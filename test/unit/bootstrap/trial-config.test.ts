import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { parseConfig, rawFileConfig } from "../../../stacks/check-config.ts";
import { trialConfig } from "../../../tools/bootstrap/trial-config.ts";

/** The trial's config as the program would check it. */
function checked(like?: string) {
  const text = trialConfig("pr-7", like === undefined ? undefined : { name: "Pulumi.prod.yaml", text: like });
  const { config, problems } = parseConfig(rawFileConfig(text, "semail") ?? {});
  assert.deepEqual(problems, []);
  assert.ok(config);
  return { text, config, top: Object.keys(parse(text) as object) };
}

test("a trial like no other has a domain of its own and two people", () => {
  const { config } = checked();
  assert.equal(config.domain, "pr-7.test");
  assert.deepEqual(Object.keys(config.users), ["alice", "bob"]);
});

test("a trial has no secret, reaches no provider and listens on this machine alone", () => {
  const { text, config, top } = checked(`
encryptionsalt: v1:abc:def
config:
  semail:domain: a.test
  semail:gandiToken: { secure: v1:xyz }
  semail:postmaster: bob
  semail:host: { bind: 0.0.0.0, address: 192.0.2.1 }
  semail:dns: { provider: gandi, apiUrl: "https://api.example", spf: merge }
  semail:portal: { enabled: true }
  semail:certificates: { kind: acme, agreed: true }
  semail:ports: { smtp: 25 }
  semail:users:
    bob: { name: Bob, forward: { secure: v1:xyz } }
`);
  assert.doesNotMatch(text, /secure|xyz|abc/);
  assert.deepEqual(top, ["config"]);
  assert.ok(config.host.kind === "local");
  assert.equal(config.host.bind, "127.0.0.1");
  assert.equal(config.host.address, "192.0.2.1");
  assert.deepEqual([config.dns.provider, config.dns.spf], ["dev", "merge"]);
  assert.equal(config.portal.enabled, false);
  assert.equal(config.certificates.kind, "own");
  assert.equal(config.users.bob?.forward, undefined);
  assert.notEqual(config.ports.smtp, 25);
});

test("a trial protects what its model does, so that its preview says what is refused", () => {
  const { config } = checked("config:\n  semail:domain: a.test\n  semail:keepVolumes: false\n");
  assert.deepEqual([config.protect, config.keepVolumes], [true, false]);
});

test("the example for production makes a trial", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../Pulumi.prod.yaml"), "utf8");
  assert.deepEqual(Object.keys(checked(text).config.users), ["alice", "bob", "carol", "lists", "dave"]);
});

test("a file without a config is named, with the remedy", () => {
  assert.throws(
    () => trialConfig("pr-7", { name: "Pulumi.x.yaml", text: "a: 1" }),
    /Pulumi\.x\.yaml has no config/,
  );
});

test("a trial like a stack far away is on this machine, with the records of that one", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y";
  const host = (yaml: string) =>
    checked(`config:\n  semail:domain: a.test\n  semail:host: { ${yaml} }\n`).config.host;
  const ssh = (address: string) => `kind: ssh, ssh: { address: ${address}, hostKey: "${key}" }`;
  const network =
    "kind: bridge, bridge: br0, address: 192.0.2.1/24, gateway: 192.0.2.9, nameservers: [192.0.2.9]";
  for (const one of [
    host(ssh("192.0.2.1")),
    host(`${ssh("mx.a.test")}, address: 192.0.2.1, firewall: true`),
    host(`kind: libvirt, vm: { network: { ${network} }, sshKeys: ["${key}"] }`),
  ])
    assert.deepEqual(one, { kind: "local", bind: "127.0.0.1", address: "192.0.2.1" });
});
