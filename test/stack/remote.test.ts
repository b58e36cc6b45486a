/**
 * A stack on a machine that is reached by ssh alone: refused, told what is missing, up, mail in and read; the machine
 * lost, and another one in its place by two commands; down.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { OpMap } from "@pulumi/pulumi/automation/index.js";
import type Docker from "dockerode";
import { Attribute, Change, Client } from "ldapts";
import { parseConfig } from "../../stacks/check-config.ts";
import { planImages } from "../../stacks/image-plans.ts";
import { buildModel } from "../../stacks/model.ts";
import { ensureBaseImage } from "../../tools/bootstrap/base-image.ts";
import { type Context, sayWith } from "../../tools/bootstrap/context.ts";
import type { Engine } from "../../tools/bootstrap/engine.ts";
import { type Purpose, stackEngine } from "../../tools/bootstrap/stack-engine.ts";
import { openLab } from "../support/docker.ts";
import { deliverAsStranger, loginOf, openImap, readMail } from "../support/mail.ts";
import { makeProject, OWN_HOME, type StackKeys, stackPorts, type TestProject } from "../support/project.ts";
import { buildPlanned, type RemoteHost, shipImages, startRemoteHost } from "../support/remote-host.ts";
import { type S3Store, startS3 } from "../support/s3.ts";

const DOMAIN = "semail.test";
const lab = openLab();
let remote: RemoteHost;
let project: TestProject;
let keys: StackKeys;
let store: S3Store;

const changedPassword = "a password of her own";

const hostKeys = (more: object = {}, over: object = {}): StackKeys => ({
  ...keys,
  host: { kind: "ssh", ssh: { ...remote.access, ...over }, ...more },
});
const changed = ({ same: _, ...rest }: OpMap = {}): OpMap => rest;

/** Has the engine of the host at work, with all images that a build there would make from Debian's mirror. */
async function equip(): Promise<string[]> {
  const { context, engine, lines } = await open("update");
  await ensureBaseImage(context, engine);
  const { backupSecretKey: _, ...plain } = hostKeys();
  const { config } = parseConfig(plain);
  assert.ok(config);
  const plans = await planImages(buildModel(config, { project: "semail", stack: "test" }));
  await shipImages(lab.docker, engine.docker, await buildPlanned(lab.docker, plans));
  return lines;
}

/** As she does it at the portal. */
async function changePassword(from: string, to: string): Promise<void> {
  const client = new Client({ url: `ldap://127.0.0.1:${(keys.ports as { ldap: number }).ldap}` });
  try {
    const dn = "uid=alice,ou=people,dc=semail,dc=test";
    await client.bind(dn, from);
    const modification = new Attribute({ type: "userPassword", values: [to] });
    await client.modify(dn, new Change({ operation: "replace", modification }));
  } finally {
    await client.unbind();
  }
}

/** What the program says when it is refused. */
async function refusal(config: StackKeys): Promise<string> {
  await project.configure(config);
  return project.stack.preview().then(
    () => "",
    (error: unknown) => String(error),
  );
}

/** A command of the product that has to succeed. */
async function carriedOut(...words: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await project.command(words);
  assert.equal(exitCode, 0, `${words.join(" ")}:\n${stdout}\n${stderr}`);
}

/** The host's engine, as a command of the product has it; with what it says. */
async function open(purpose: Purpose): Promise<{ context: Context; engine: Engine; lines: string[] }> {
  const { signal } = new AbortController();
  const lines: string[] = [];
  const say = sayWith((line) => lines.push(line));
  const env = { ...process.env, ...OWN_HOME };
  const context: Context = { root: project.folder, env, signal, hurry: signal, say };
  const name = "Pulumi.test.yaml";
  const text = await readFile(join(project.folder, name), "utf8");
  const stack = { name: "test", project: "semail", prefix: project.prefix, committed: { name, text } };
  return { context, engine: await stackEngine(context, stack, purpose), lines };
}

/** Everything of the stack on the host. */
async function onHost(docker: Docker): Promise<string[]> {
  const filters = { label: [`io.semail.stack=${project.prefix}`] };
  const [containers, networks, { Volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return [
    containers.map(({ Id }) => Id),
    networks.map(({ Id }) => Id),
    Volumes.map(({ Name }) => Name),
  ].flat();
}

describe("a stack on a host that is reached by ssh", () => {
  before(async () => {
    remote = await startRemoteHost(lab);
    store = await startS3();
    keys = {
      domain: DOMAIN,
      dns: { provider: "none" },
      ports: await stackPorts(),
      ...{ protect: false, keepVolumes: false },
      users: { alice: { name: "Alice Martin" } },
      backup: {
        ...{ enabled: true, keyId: store.keyId },
        repository: `s3:http://${remote.neighbour}:${store.port}/snapshots`,
      },
      backupSecretKey: "not-looked-at",
    };
    project = await makeProject(hostKeys());
  });
  after(async () => {
    try {
      await project?.dispose();
    } finally {
      await lab.cleanup();
      await remote?.dispose();
      await store?.close();
    }
  });

  it("is refused, nothing being done, when another machine answers", async () => {
    const text = await refusal(hostKeys({}, { hostKey: remote.otherKey }));
    assert.match(text, /root@\S+ shows another host key than the one in the config\./);
    assert.match(text, /See what answers now: `ssh-keyscan -t ed25519 /);
  });

  it("is told that the host's engine does not run, and how to start it", async () => {
    assert.match(
      await refusal(hostKeys()),
      /engine does not run\.\n\s*Start it there: `service docker start`/,
    );
    assert.match(
      await refusal(hostKeys({ install: true })),
      /lacks a running Docker engine.*\n\s*`npm run up` brings it/,
    );
  });

  it("comes up, the engine being started and the base image shipped", async () => {
    await project.configure(hostKeys({ install: true, firewall: true, address6: remote.address6 }));
    const said = (await equip()).join("\n");
    assert.match(said, /… starting the Docker engine of root@/);
    assert.match(said, /… having the Docker engine keep the addresses of IPv6 clients/);
    assert.match(said, /✓ host root@\S+ \(Docker engine [\s\S]*✓ base image \S+ \(shipped\)/);
    const { summary } = await project.stack.up({ suppressOutputs: true });
    assert.deepEqual(Object.keys(changed(summary.resourceChanges)), ["create"]);
  });

  it("takes mail from strangers, whose own addresses it knows, and has it read over IMAP", async () => {
    const summary = await project.summary();
    const ways = [
      [summary.bind, remote.neighbour, remote.neighbour],
      [remote.address6, remote.neighbour6, `IPv6:${remote.neighbour6}`],
    ] as const;
    for (const [bind, neighbour, shown] of ways) {
      const subject = `from ${neighbour}`;
      const mail = { from: "x@stranger.test", to: `alice@${DOMAIN}`, subject };
      assert.match(await deliverAsStranger({ ...summary, bind }, mail), /^250/);
      const source = await readMail(summary, loginOf(summary, "alice"), subject);
      // Not that of a proxy or bridge on the host.
      assert.ok(source.includes(`\nReceived: from stranger.test ([${shown}])`), source);
    }
  });

  it("has nothing to change a second time", async () => {
    const { summary } = await project.stack.up({ suppressOutputs: true });
    assert.deepEqual(changed(summary.resourceChanges), {});
  });

  it("is found by the commands that use the engine", async () => {
    const { engine, lines } = await open("use");
    assert.equal(engine.local, false);
    assert.ok((await onHost(engine.docker)).length > 10);
    assert.match(lines.join("\n"), /^✓ host root@\S+ \(Docker engine /);
  });

  it("is there again on another host by two commands when its own is lost, with mail, keys and passwords", async () => {
    const before = await project.summary();
    const login = loginOf(before, "alice");
    const subject = `from ${remote.neighbour}`;
    await changePassword(login.pass, changedPassword);
    const own = { ...login, pass: changedPassword };
    const source = await readMail(before, own, subject);
    await carriedOut("backup", "save", "--all");
    await remote.handle.remove();
    await remote.dispose();
    remote = await startRemoteHost(lab);
    // As docs/operations.md says: nobody answers at the old address any more.
    await project.configure({
      ...hostKeys({ install: true, firewall: true, address6: remote.address6 }),
      dns: { provider: "none", changeNow: true },
    });
    await equip();
    await carriedOut("up");
    await carriedOut("backup", "restore", "--all");
    const after = await project.summary();
    assert.notEqual(after.bind, before.bind);
    assert.deepEqual([after.signing, after.ca], [before.signing, before.ca]);
    assert.equal(await readMail(after, own, subject), source);
    await assert.rejects(openImap(after, login));
    const mail = { from: "x@stranger.test", to: `alice@${DOMAIN}`, subject: "to the new one" };
    assert.match(await deliverAsStranger(after, mail), /^250/);
    assert.match(await readMail(after, own, "to the new one"), /to the new one/);
  });

  it("goes, and leaves nothing on the host", async () => {
    const { engine } = await open("use");
    await project.stack.destroy({ suppressOutputs: true });
    assert.deepEqual(await onHost(engine.docker), []);
    const { stdout } = await remote.handle.exec(["nft", "list", "tables"]);
    assert.doesNotMatch(stdout, /inet semail$/m);
  });
});
