import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Props, UNKNOWN } from "../../../tools/docker-plugin/values.ts";
import { BASE, type Lab, type Made, startLab } from "./support.ts";

let lab: Lab;
let directory: string;

before(async () => {
  lab = await startLab();
  await lab.configure({});
  directory = await mkdtemp(join(tmpdir(), "semail-t-"));
});
after(async () => {
  await lab.close();
  await rm(directory, { recursive: true });
});

const labels = [{ label: "semail.test", value: "1" }];

function described(kind: string, props: Props = {}): { urn: string; inputs: Props } {
  const name = lab.name();
  return { urn: lab.urn(kind, name), inputs: { name, labels, ...props } };
}

describe("a network", () => {
  it("is made, read, imported and removed", async () => {
    const { urn, inputs } = described("network", {
      internal: true,
      ipamConfigs: [{ subnet: "10.213.61.0/28" }],
    });
    const network = await lab.create(urn, inputs);
    assert.deepEqual(
      [network.outputs.name, network.outputs.internal, network.outputs.driver, network.outputs.scope],
      [inputs.name, true, "bridge", "local"],
    );
    assert.equal((network.outputs.ipamConfigs as Props[])[0]?.subnet, "10.213.61.0/28");
    assert.deepEqual((await lab.read(network))?.inputs, inputs);
    const imported = await lab.read({ urn, id: network.id, inputs: {}, outputs: {} });
    assert.deepEqual((await lab.diff(imported as Made, inputs)).getDiffsList(), []);
    const overlapping = described("network", { ipamConfigs: [{ subnet: "10.213.61.0/29" }] });
    await assert.rejects(lab.create(overlapping.urn, overlapping.inputs), /overlaps.*Choose another subnet/);
    await lab.delete(network);
    await lab.delete(network);
    assert.equal(await lab.read(network), undefined);
  });

  it("of an interrupted run is used again if it is right, and replaced if not", async () => {
    const { urn, inputs } = described("network");
    const first = await lab.create(urn, inputs);
    assert.equal((await lab.create(urn, inputs)).id, first.id);
    assert.notEqual((await lab.create(urn, { ...inputs, internal: true })).id, first.id);
  });

  it("of somebody else is left alone, with the remedy", async () => {
    const { urn, inputs } = described("network");
    await lab.create(urn, inputs);
    await assert.rejects(
      lab.create(lab.urn("network", "other"), inputs),
      /not this stack's.*docker network rm/,
    );
  });

  it("in use is not removed, and the error names who uses it", async () => {
    const { urn, inputs } = described("network");
    const network = await lab.create(urn, inputs);
    const container = described("container", {
      image: BASE,
      command: ["sleep", "600"],
      init: true,
      networksAdvanced: [{ name: inputs.name }],
    });
    await lab.create(container.urn, container.inputs);
    await assert.rejects(lab.delete(network), new RegExp(`still attached: ${container.inputs.name}`));
  });
});

describe("a volume", () => {
  it("is made, read, imported and removed", async () => {
    const { urn, inputs } = described("volume");
    const volume = await lab.create(urn, inputs);
    assert.equal(volume.id, inputs.name);
    assert.match(String(volume.outputs.mountpoint), /_data$/);
    const imported = await lab.read({ urn, id: volume.id, inputs: {}, outputs: {} });
    assert.deepEqual((await lab.diff(imported as Made, inputs)).getDiffsList(), []);
    await lab.delete(volume);
    await lab.delete(volume);
    assert.equal(await lab.read(volume), undefined);
  });

  it("that the stack left is used again, another's is not", async () => {
    const { urn, inputs } = described("volume");
    await lab.create(urn, inputs);
    assert.equal((await lab.create(urn, inputs)).id, inputs.name);
    await assert.rejects(lab.create(lab.urn("volume", "other"), inputs), /not this stack's.*pulumi import/);
  });

  it("in use is not removed, and the error says how to find who uses it", async () => {
    const { urn, inputs } = described("volume");
    const volume = await lab.create(urn, inputs);
    const container = described("container", {
      image: BASE,
      command: ["true"],
      mustRun: false,
      volumes: [{ volumeName: inputs.name, containerPath: "/data" }],
    });
    await lab.create(container.urn, container.inputs);
    await assert.rejects(lab.delete(volume), /volume is in use.*docker ps -a --filter volume=/);
  });

  it("gets a name when none is given", async () => {
    const { inputs } = await lab.check(lab.urn("volume", "mail"), {});
    assert.match(String(inputs.name), /^mail-[0-9a-f]{7}$/);
  });
});

describe("an image", () => {
  async function image(dockerfile: string, props: Props = {}): Promise<{ urn: string; inputs: Props }> {
    const context = await mkdtemp(join(directory, "context-"));
    await writeFile(join(context, "Dockerfile"), dockerfile);
    const name = lab.name();
    const urn = lab.urn("image", name);
    const inputs = {
      imageName: `${name}:1`,
      skipPush: true,
      build: { context, builderVersion: "BuilderV1", ...props },
    };
    const checked = await lab.check(urn, inputs);
    assert.deepEqual(checked.failures, []);
    return { urn, inputs: checked.inputs };
  }

  it("is built with its arguments up to its target, with progress, and once only", async () => {
    const dockerfile = `ARG BASE_IMAGE\nFROM $BASE_IMAGE AS one\nARG WORD\nRUN echo "$WORD" > /word\nLABEL stage=one\nFROM one AS two\nRUN false\n`;
    const { urn, inputs } = await image(dockerfile, {
      args: { BASE_IMAGE: BASE, WORD: "hello" },
      target: "one",
    });
    const made = await lab.create(urn, inputs);
    assert.equal(made.id, inputs.imageName);
    assert.deepEqual(
      [made.outputs.imageName, made.outputs.baseImageName],
      [inputs.imageName, inputs.imageName],
    );
    const { Id, Config } = await lab.docker.getImage(made.id).inspect();
    assert.equal(made.outputs.repoDigest, Id);
    assert.equal(Config.Labels?.stage, "one");
    assert.ok(
      lab.log.some((line) => /^Step 3\/\d+ : /.test(line)),
      "steps are logged",
    );

    lab.log.length = 0;
    await lab.create(urn, inputs);
    assert.ok(lab.log.some((line) => line.includes("already on the engine")));
    assert.ok(!lab.log.some((line) => line.startsWith("Step ")));
    assert.equal((await lab.read(made))?.id, made.id);

    const changed = await lab.update(made, {
      ...inputs,
      build: { ...(inputs.build as Props), args: { BASE_IMAGE: BASE, WORD: "bye" } },
    });
    assert.notEqual(changed.outputs.repoDigest, Id);

    await lab.delete(changed);
    await lab.docker.getImage(made.id).inspect(); // As with the official plugin, it stays.
    await lab.docker.getImage(made.id).remove({ force: true });
    assert.equal(await lab.read(made), undefined);
  });

  it("shows a changed file as a change", async () => {
    const { urn, inputs } = await image(`FROM ${BASE}\n`);
    await writeFile(join(String((inputs.build as Props).context), "new"), "");
    const again = await lab.check(urn, {
      ...inputs,
      build: { ...(inputs.build as Props), contextDigest: undefined },
    });
    const diff = await lab.diff({ urn, id: "x", inputs, outputs: {} }, again.inputs);
    assert.deepEqual([diff.getDiffsList(), diff.getReplacesList()], [["build"], []]);
  });

  it("whose build fails says at which step, and what the step said", async () => {
    const { urn, inputs } = await image(`FROM ${BASE}\nRUN echo the compiler complains && exit 7\n`);
    await assert.rejects(lab.create(urn, inputs), (error: Error) => {
      assert.match(error.message, /at step 2\/3 : RUN echo the compiler complains/);
      assert.match(error.message, /returned a non-zero code: 7/);
      assert.match(error.message, /^ {2}the compiler complains$/m);
      return true;
    });
  });

  it("whose base is missing names the base and the remedy", async () => {
    const { urn, inputs } = await image("FROM localhost:1/semail-t/none:1\n");
    await assert.rejects(
      lab.create(urn, inputs),
      /base image localhost:1\/semail-t\/none:1 is not on this engine.*docker load/,
    );
  });

  it("can't be pushed, nor built by another builder, nor without a Dockerfile", async () => {
    const build = { context: directory, builderVersion: "BuilderBuildKit" };
    const { failures } = await lab.check(lab.urn("image", "x"), { imageName: "x", build });
    assert.deepEqual(
      failures.map(({ property }) => property),
      ["build.builderVersion", "skipPush", "build"],
    );
  });

  it("is previewed with arguments that are still to come", async () => {
    const { urn, inputs } = await image(`FROM ${BASE}\n`, { args: { A: UNKNOWN } });
    const outputs = await lab.preview(urn, inputs);
    assert.deepEqual([outputs.imageName, outputs.repoDigest], [inputs.imageName, UNKNOWN]);
  });
});

describe("a remote image", () => {
  it("that is on the engine is taken as it is, and kept", async () => {
    const made = await lab.create(lab.urn("remoteImage", "base"), { name: BASE, keepLocally: true });
    assert.equal(made.outputs.imageId, (await lab.docker.getImage(BASE).inspect()).Id);
    assert.equal(made.id, `${made.outputs.imageId}${BASE}`);
    assert.deepEqual((await lab.read(made))?.inputs, made.inputs);
    await lab.delete(made);
    await lab.docker.getImage(BASE).inspect();
  });
  it("that isn't to be had fails with its name and the remedy", async () => {
    const urn = lab.urn("remoteImage", "none");
    await assert.rejects(
      lab.create(urn, { name: "localhost:1/none" }),
      /localhost:1\/none is not on this engine.*docker load/,
    );
  });
  it("that isn't kept is removed", async () => {
    const repo = lab.name();
    await lab.docker.getImage(BASE).tag({ repo, tag: "1" });
    const made = await lab.create(lab.urn("remoteImage", repo), { name: `${repo}:1` });
    await lab.delete(made);
    await lab.delete(made);
    assert.equal(await lab.read(made), undefined);
  });
});
