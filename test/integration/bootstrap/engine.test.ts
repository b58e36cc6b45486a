import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import Docker from "dockerode";
import { BASE_IMAGE, ensureBaseImage } from "../../../tools/bootstrap/base-image.ts";
import { type Context, type Env, sayWith } from "../../../tools/bootstrap/context.ts";
import { ensureEngine } from "../../../tools/bootstrap/engine.ts";
import type { Machine } from "../../../tools/bootstrap/machine.ts";
import { removeLeftovers } from "../../../tools/bootstrap/pending.ts";

const plainUser: Machine = { root: false, debian: false, systemd: false, has: () => false };
const docker = new Docker();
const name = `semail-t-${randomBytes(4).toString("hex")}`;

function context(env: Env): { context: Context; lines: string[] } {
  const lines: string[] = [];
  const { signal } = new AbortController();
  return {
    lines,
    context: {
      root: "/nowhere",
      env: { ...process.env, ...env },
      signal,
      hurry: signal,
      say: sayWith((line) => lines.push(line)),
    },
  };
}

after(async () => {
  const label = [`io.semail.stack=${name}`];
  for (const { Id } of await docker.listContainers({ all: true, filters: { label } })) {
    await docker.getContainer(Id).remove({ force: true });
  }
});

test("an engine that is down is named, with its address and a way out", async () => {
  const down = context({ DOCKER_HOST: "unix:///nowhere/docker.sock" });
  await assert.rejects(ensureEngine(down.context, plainUser), {
    name: "Fault",
    message: /DOCKER_HOST \(unix:\/\/\/nowhere\/docker\.sock\).*ENOENT/,
    remedy: /correct DOCKER_HOST/,
  });
  assert.deepEqual(down.lines, []);
});

test("a DOCKER_HOST that is no address is refused before anything is tried", async () => {
  await assert.rejects(ensureEngine(context({ DOCKER_HOST: "localhost" }).context, plainUser), {
    name: "Fault",
    message: /not an address: localhost/,
  });
});

test("the engine and base image that are there are used as they are", async () => {
  const there = context({});
  const engine = await ensureEngine(there.context, plainUser);
  assert.equal(engine.startedPid, undefined);
  await ensureBaseImage(there.context, engine);
  assert.match(there.lines.join("\n"), /^✓ Docker engine .* \(running\)\n✓ base image .* \(there\)$/);
});

test("of half-made containers only this stack's that no state knows are removed", async () => {
  const make = async (suffix: string, stack: string): Promise<string> => {
    const Labels = { "io.semail.stack": stack, "semail.test": "1" };
    const { id } = await docker.createContainer({
      name: `${name}-${suffix}`,
      Image: BASE_IMAGE,
      Cmd: ["true"],
      Labels,
    });
    return id;
  };
  await make("half", name);
  const known = await make("known", name);
  const foreign = await make("foreign", "someone-else");
  const leftovers = ["half", "known", "foreign", "never-made"].map((suffix) => ({
    kind: "container" as const,
    name: `${name}-${suffix}`,
  }));
  const stack = {
    name: "t",
    project: "t",
    prefix: name,
    committed: { name: "Pulumi.t.yaml", text: "" },
    configFile: "",
    shadow: "",
    folder: "",
    backend: undefined,
  };
  try {
    const removed = await removeLeftovers(docker, stack, {
      operations: 4,
      leftovers,
      records: [],
      known: new Set([known]),
    });
    assert.deepEqual(removed, [`${name}-half`]);
    await assert.rejects(docker.getContainer(`${name}-half`).inspect(), { statusCode: 404 });
    await docker.getContainer(known).inspect();
    await docker.getContainer(foreign).inspect();
  } finally {
    await docker.getContainer(foreign).remove({ force: true });
  }
});
