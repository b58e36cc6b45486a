import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type Lab, labOf, startLab } from "./support.ts";

const EXECUTABLE = join(import.meta.dirname, "../../../tools/docker-plugin/pulumi-resource-docker");

let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "semail-t-"));
});
after(() => rm(directory, { recursive: true }));

/** The plugin as Pulumi starts it, through a link, from a foreign directory. */
async function startExecutable(environment: NodeJS.ProcessEnv): Promise<{ lab: Lab; child: ChildProcess }> {
  const link = join(await mkdtemp(join(directory, "bin-")), "pulumi-resource-docker");
  await symlink(EXECUTABLE, link);
  const env = { ...process.env, SEMAIL_NODE: process.execPath, ...environment };
  const child = spawn(link, ["127.0.0.1:9"], { cwd: directory, env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  return { lab: labOf({ port: Number(line), log: [], stop }), child };
}

async function withLab(starting: Promise<Lab>, use: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await starting;
  try {
    await use(lab);
  } finally {
    await lab.close();
  }
}

async function makesAVolume(lab: Lab): Promise<void> {
  const name = lab.name();
  const volume = await lab.create(lab.urn("volume", name), {
    name,
    labels: [{ label: "semail.test", value: "1" }],
  });
  assert.equal((await lab.docker.getVolume(name).inspect()).Name, volume.id);
  await lab.delete(volume);
}

describe("the plugin", () => {
  it("starts as Pulumi starts it, prints its port, and ends on SIGTERM", async () => {
    const { lab, child } = await startExecutable({});
    await withLab(Promise.resolve(lab), async () => {
      await lab.configure({});
      await makesAVolume(lab);
    });
    assert.equal(child.exitCode, 0);
  });

  it("says which engine doesn't answer, and what to do", () =>
    withLab(startLab(), async (lab) => {
      await lab.configure({ host: "unix:///run/semail-t-none.sock" });
      const creating = lab.create(lab.urn("volume", "v"), { name: "v" });
      await assert.rejects(
        creating,
        /can't create volume v: no Docker engine answers at unix:\/\/\/run\/semail-t-none\.sock.*Start it/,
      );
    }));

  it("needs no engine to check, diff and preview", () =>
    withLab(startLab(), async (lab) => {
      await lab.configure({ host: "unix:///run/semail-t-none.sock" });
      const urn = lab.urn("container", "c");
      const { inputs, failures } = await lab.check(urn, { name: "cc", image: "i" });
      assert.deepEqual(failures, []);
      assert.equal((await lab.preview(urn, inputs)).name, "cc");
      assert.deepEqual(
        (await lab.diff({ urn, id: "x", inputs, outputs: {} }, { ...inputs, image: "j" })).getReplacesList(),
        ["image"],
      );
    }));

  it("takes the engine's address from DOCKER_HOST, unless it is configured", () =>
    withLab(startLab({ DOCKER_HOST: "unix:///run/semail-t-none.sock" }), async (lab) => {
      await lab.configure({});
      await assert.rejects(lab.create(lab.urn("volume", "v"), { name: "v" }), /semail-t-none\.sock/);
      await lab.configure({ host: "unix:///var/run/docker.sock" });
      await makesAVolume(lab);
    }));

  it("refuses what it doesn't serve by name", () =>
    withLab(startLab(), async (lab) => {
      await lab.configure({});
      await assert.rejects(
        lab.check(lab.urn("docker:index/secret:Secret", "s"), {}),
        /does not serve docker:index\/secret:Secret/,
      );
    }));

  it("reaches an engine through ssh, several requests at a time", async () => {
    const bin = await mkdtemp(join(directory, "ssh-"));
    // Stands in for ssh: what it would run on the far side runs here.
    const script = `#!/bin/sh\necho "$@" >> ${bin}/calls\nfor last; do :; done\nexec sh -c "$last"\n`;
    await writeFile(join(bin, "ssh"), script, { mode: 0o755 });
    const { lab } = await startExecutable({ PATH: `${bin}:${process.env.PATH}` });
    await withLab(Promise.resolve(lab), async () => {
      await lab.configure({ host: "ssh://root@mail.example:2222", sshOpts: '["-i","key"]' });
      await Promise.all(Array.from({ length: 8 }, () => makesAVolume(lab)));
    });
    const { stdout } = await promisify(execFile)("cat", [join(bin, "calls")]);
    assert.match(stdout, /-i key -p 2222 -T -- root@mail\.example docker system dial-stdio/);
    assert.ok(stdout.trim().split("\n").length <= 6, "connections are used again");
  });

  it("says why ssh gave up", async () => {
    const bin = await mkdtemp(join(directory, "ssh-"));
    await writeFile(join(bin, "ssh"), "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n", {
      mode: 0o755,
    });
    const { lab } = await startExecutable({ PATH: `${bin}:${process.env.PATH}` });
    await withLab(Promise.resolve(lab), async () => {
      await lab.configure({ host: "ssh://root@mail.example" });
      const creating = lab.create(lab.urn("volume", "v"), { name: "v" });
      await assert.rejects(
        creating,
        /ssh:\/\/root@mail\.example can't be reached by ssh: Permission denied \(publickey\)/,
      );
    });
  });
});
