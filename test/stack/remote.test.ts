/** A stack on a machine that is reached by ssh alone: refused, told what is missing, up, mail in and read, down. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { OpMap } from "@pulumi/pulumi/automation/index.js";
import type Docker from "dockerode";
import { parseConfig } from "../../stacks/check-config.ts";
import { planImages } from "../../stacks/image-plans.ts";
import { buildModel } from "../../stacks/model.ts";
import { ensureBaseImage } from "../../tools/bootstrap/base-image.ts";
import { type Context, sayWith } from "../../tools/bootstrap/context.ts";
import type { Engine } from "../../tools/bootstrap/engine.ts";
import { type Purpose, stackEngine } from "../../tools/bootstrap/stack-engine.ts";
import { openLab } from "../support/docker.ts";
import { deliverAsStranger, loginOf, readMail } from "../support/mail.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../support/project.ts";
import { buildPlanned, type RemoteHost, shipImages, startRemoteHost } from "../support/remote-host.ts";

const DOMAIN = "semail.test";
const lab = openLab();
let remote: RemoteHost;
let project: TestProject;
let keys: StackKeys;

const hostKeys = (more: object = {}, over: object = {}): StackKeys => ({
  ...keys,
  host: { kind: "ssh", ssh: { ...remote.access, ...over }, ...more },
});
const changed = ({ same: _, ...rest }: OpMap = {}): OpMap => rest;

/** What the program says when it is refused. */
async function refusal(config: StackKeys): Promise<string> {
  await project.configure(config);
  return project.stack.preview().then(
    () => "",
    (error: unknown) => String(error),
  );
}

/** The host's engine, as a command of the product has it; with what it says. */
async function open(purpose: Purpose): Promise<{ context: Context; engine: Engine; lines: string[] }> {
  const { signal } = new AbortController();
  const lines: string[] = [];
  const say = sayWith((line) => lines.push(line));
  const context: Context = { root: project.folder, env: process.env, signal, hurry: signal, say };
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
    keys = {
      domain: DOMAIN,
      dns: { provider: "none" },
      ports: await stackPorts(),
      ...{ protect: false, keepVolumes: false },
      users: { alice: { name: "Alice Martin" } },
    };
    project = await makeProject(hostKeys());
  });
  after(async () => {
    await project?.dispose();
    await lab.cleanup();
    await remote?.dispose();
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
    const { context, engine, lines } = await open("update");
    await ensureBaseImage(context, engine);
    const said = lines.join("\n");
    assert.match(said, /… starting the Docker engine of root@/);
    assert.match(said, /… having the Docker engine keep the addresses of IPv6 clients/);
    assert.match(said, /✓ host root@\S+ \(Docker engine [\s\S]*✓ base image \S+ \(shipped\)/);
    const { config } = parseConfig(hostKeys());
    assert.ok(config);
    const plans = await planImages(buildModel(config, { project: "semail", stack: "test" }));
    // What a build there would make; without a mirror of Debian's packages it can't.
    await shipImages(lab.docker, engine.docker, await buildPlanned(lab.docker, plans));
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

  it("goes, and leaves nothing on the host", async () => {
    const { engine } = await open("use");
    await project.stack.destroy({ suppressOutputs: true });
    assert.deepEqual(await onHost(engine.docker), []);
    const { stdout } = await remote.handle.exec(["nft", "list", "tables"]);
    assert.doesNotMatch(stdout, /inet semail$/m);
  });
});
