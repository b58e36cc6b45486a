import assert from "node:assert/strict";
import { test } from "node:test";
import { fileHost } from "../../../stacks/check-config.ts";
import { sayWith } from "../../../tools/bootstrap/context.ts";
import { stackEngine } from "../../../tools/bootstrap/stack-engine.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y";
const file = (more: string) => `config:\n  semail:domain: a.test\n${more}`;

test("the host of a stack file is found without the rest being right or readable", () => {
  const text = file(`  semail:users: { "a b": 1, c: { name: { secure: v1 } } }
  semail:ports: { smtp: 2525, ldap: 2389 }
  semail:host: { kind: ssh, ssh: { address: 192.0.2.1, hostKey: "${KEY}" }, address6: "2001:db8::1" }
`);
  const host = fileHost(text, "semail");
  assert.equal(host?.plan.remote?.access.address, "192.0.2.1");
  assert.equal(host?.ldapPort, 2389);
  const bindsOf = (path: string) => host?.ports.find((each) => each.path === path)?.binds;
  assert.deepEqual(bindsOf("ports.smtp"), ["0.0.0.0", "::"]);
  assert.deepEqual(bindsOf("ports.ldap"), ["127.0.0.1"]);
  assert.equal(bindsOf("ports.dnsApi"), undefined);
});

test("a file without a host is about this machine", () => {
  assert.equal(fileHost(file(""), "semail")?.plan.remote, undefined);
});

test("a host that can't be read is not taken for this machine", async () => {
  const { signal } = new AbortController();
  const context = { root: "/nowhere", env: {}, signal, hurry: signal, say: sayWith(() => {}) };
  const committed = { name: "Pulumi.prod.yaml", text: file("  semail:host: { kind: ssh }\n") };
  await assert.rejects(
    stackEngine(context, { name: "prod", project: "semail", prefix: "semail-prod", committed }, "use"),
    { name: "Fault", message: /Where Pulumi\.prod\.yaml puts the system/ },
  );
});
