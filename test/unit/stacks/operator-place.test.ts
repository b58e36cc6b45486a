import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { findOperatorPlace } from "../../../stacks/operator-place.ts";

/** A checkout with its state, and a Pulumi elsewhere. */
async function machine(t: TestContext) {
  const top = await realpath(await mkdtemp(join(tmpdir(), "semail-place-")));
  t.after(() => rm(top, { recursive: true }));
  const root = join(top, "checkout");
  const socket = join(top, "docker.sock");
  for (const folder of [
    "checkout/.semail/pulumi-home/plugins",
    "checkout/.git",
    "packages",
    "pulumi",
    "theirs",
  ])
    await mkdir(join(top, folder), { recursive: true });
  for (const file of ["pulumi/pulumi", "checkout/.semail/passphrase", "docker.sock"])
    await writeFile(join(top, file), "");
  const env = { PATH: `/nowhere:${join(top, "pulumi")}`, PULUMI_BACKEND_URL: `file://${root}/.semail/state` };
  return { top, root, env, find: (more = {}) => findOperatorPlace({ ...env, ...more }, root, "dev", socket) };
}

describe("where the operator runs", () => {
  it("is given the checkout, Pulumi and the engine's socket, at their own paths", async (t) => {
    const { top, root, find } = await machine(t);
    const place = await find();
    assert.deepEqual(place.binds, [
      { path: root, readOnly: false },
      { path: join(top, "pulumi"), readOnly: true },
      { path: join(top, "docker.sock"), readOnly: false },
    ]);
    assert.equal(place.path, `/usr/local/bin:${join(top, "pulumi")}:/usr/bin:/bin`);
    assert.equal(place.pulumiHome, join(root, ".semail/pulumi-home"));
  });

  it("is given what the checkout links to, and what it is a linked work tree of", async (t) => {
    const { top, root, find } = await machine(t);
    await symlink(join(top, "packages"), join(root, "node_modules"));
    await symlink(join(top, "theirs"), join(root, ".semail/pulumi-home/plugins/resource-docker-v5"));
    await mkdir(join(top, "main/.git/worktrees/checkout"), { recursive: true });
    await rm(join(root, ".git"), { recursive: true });
    await writeFile(join(root, ".git"), `gitdir: ${join(top, "main/.git/worktrees/checkout")}\n`);
    const paths = (await find()).binds.map(({ path, readOnly }) => `${path.slice(top.length)} ${readOnly}`);
    for (const wanted of ["/packages true", "/theirs true", "/main/.git false"])
      assert.ok(paths.includes(wanted), wanted);
  });

  it("stays the same when Pulumi notes in a home elsewhere that it used a plugin", async (t) => {
    const { top, find } = await machine(t);
    const home = join(top, "home");
    await mkdir(join(home, "plugins/resource-docker-v5"), { recursive: true });
    const before = await find({ PULUMI_HOME: home });
    await writeFile(join(home, "plugins/resource-docker-v5.lastused"), "");
    assert.deepEqual(await find({ PULUMI_HOME: home }), before);
  });

  const refused: [name: string, env: Record<string, string>, wanted: RegExp][] = [
    [
      "a state that is kept elsewhere",
      { PULUMI_BACKEND_URL: "https://api.pulumi.com" },
      /state is not kept in \.semail/,
    ],
    ["an engine elsewhere", { DOCKER_HOST: "tcp://192.0.2.1:2375" }, /DOCKER_HOST/],
    ["no Pulumi", { PATH: "/nowhere" }, /no pulumi on PATH/],
  ];
  for (const [name, env, wanted] of refused) {
    it(`is nowhere with ${name}`, async (t) => {
      const { find } = await machine(t);
      await assert.rejects(find(env), wanted);
    });
  }

  it("is nowhere without the passphrase's file", async (t) => {
    const { root, find } = await machine(t);
    await rm(join(root, ".semail/passphrase"));
    await assert.rejects(find(), /no \.semail\/passphrase.*semail:portal\.enabled to false/);
  });
});
