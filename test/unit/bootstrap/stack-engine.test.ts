import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileHost } from "../../../stacks/check-config.ts";
import { sayWith } from "../../../tools/bootstrap/context.ts";
import { Fault } from "../../../tools/bootstrap/fault.ts";
import { engineIfThere, stackEngine } from "../../../tools/bootstrap/stack-engine.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y";
const file = (more: string) => `config:\n  semail:domain: a.test\n${more}`;

test("the host of a stack file is found without the rest being right or readable", () => {
  const text = file(`  semail:users: { "a b": 1, c: { name: { secure: v1 } } }
  semail:ports: { smtp: 2525, ldap: 2389 }
  semail:host: { kind: ssh, ssh: { address: 192.0.2.1, hostKey: "${KEY}" }, address6: "2001:db8::1" }
`);
  const host = fileHost(text, "semail");
  assert.equal(host?.plan.remote?.login.address, "192.0.2.1");
  assert.equal(host?.ldapPort, 2389);
  const bindsOf = (path: string) => host?.ports.find((each) => each.path === path)?.binds;
  assert.deepEqual(bindsOf("ports.smtp"), ["0.0.0.0", "::"]);
  assert.deepEqual(bindsOf("ports.ldap"), ["127.0.0.1"]);
  assert.equal(bindsOf("ports.dnsApi"), undefined);
});

test("a file without a host is about this machine", () => {
  assert.equal(fileHost(file(""), "semail")?.plan.remote, undefined);
});

/** A stack of that host, in a checkout where nobody has connected to it. */
async function ofHost(host: string) {
  const root = await mkdtemp(join(tmpdir(), "semail-t-engine-"));
  after(() => rm(root, { recursive: true, force: true }));
  const { signal } = new AbortController();
  const lines: string[] = [];
  const say = sayWith((line) => lines.push(line));
  const committed = { name: "Pulumi.prod.yaml", text: file(`  semail:host: ${host}\n`) };
  const context = { root, env: {}, signal, hurry: signal, say };
  return { context, lines, stack: { name: "prod", project: "semail", prefix: "semail-prod", committed } };
}

test("a host that can't be read is not taken for this machine", async () => {
  const { context, stack } = await ofHost("{ kind: ssh }");
  await assert.rejects(engineIfThere(context, stack, "use"), {
    name: "Fault",
    message: /Where Pulumi\.prod\.yaml puts the system/,
  });
});

const VM = `{ kind: libvirt, address: 192.0.2.1, vm: { sshKeys: ["${KEY}"], network: { kind: user, sshPort: 1 } } }`;

test("a VM that isn't made yet has no engine, which an update can do without and other commands can't", async () => {
  const { context, stack, lines } = await ofHost(VM);
  assert.equal(await engineIfThere(context, stack, "update"), undefined);
  assert.match(lines.join("\n"), /^! The VM can't be asked: Nobody has connected/);
  await assert.rejects(stackEngine(context, stack, "use"), (error: unknown) => {
    assert.ok(error instanceof Fault);
    assert.match(error.remedy, /`npm run up -- --stack prod` makes it/);
    return true;
  });
});

test("a VM is known by the key of the last connection, and one that doesn't answer is none", async () => {
  const { context, stack, lines } = await ofHost(VM);
  const folder = join(context.root, ".semail", "ssh", "prod");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "known_hosts"), `semail-host ${KEY}\n`);
  assert.equal(await engineIfThere(context, stack, "update"), undefined);
  assert.match(lines.join("\n"), /^! The VM can't be asked: .*root@127\.0\.0\.1:1/);
});

test("a host that was there before the stack is not done without", async () => {
  const { context, stack } = await ofHost(
    `{ kind: ssh, ssh: { address: 127.0.0.1, port: 1, hostKey: "${KEY}" } }`,
  );
  await assert.rejects(engineIfThere(context, stack, "update"), { name: "Fault", message: /127\.0\.0\.1:1/ });
});
