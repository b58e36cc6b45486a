import assert from "node:assert/strict";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { type Props, UNKNOWN } from "../../../tools/docker-plugin/values.ts";
import { BASE, type Lab, type Made, startLab } from "./support.ts";

let lab: Lab;

before(async () => {
  lab = await startLab();
  await lab.configure({});
});
after(() => lab.close());

const labels = [{ label: "semail.test", value: "1" }];

/** A container that runs until it is stopped. */
function sleeper(props: Props = {}): { urn: string; inputs: Props } {
  const name = lab.name();
  const inputs = { name, image: BASE, command: ["sleep", "600"], init: true, labels, ...props };
  return { urn: lab.urn("container", name), inputs };
}

async function made(props: Props = {}): Promise<Made> {
  const { urn, inputs } = sleeper(props);
  return lab.create(urn, inputs);
}

async function output(id: string, ...Cmd: string[]): Promise<string> {
  const exec = await lab.docker.getContainer(id).exec({ Cmd, AttachStdout: true, Tty: true });
  const stream = await exec.start({ Tty: true });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString().trim();
}

async function exists(id: string): Promise<boolean> {
  const all = await lab.docker.listContainers({ all: true });
  return all.some((each) => each.Id === id || each.Names.includes(`/${id}`));
}

describe("a container", () => {
  it("is made, updated, read and removed", async () => {
    const first = await made({ memory: 32 });
    assert.equal(first.outputs.name, first.inputs.name);
    assert.equal(first.outputs.image, BASE);
    assert.equal(typeof first.outputs.hostname, "string");

    const wanted = { ...first.inputs, memory: 96, restart: "unless-stopped" };
    const diff = await lab.diff(first, wanted);
    assert.deepEqual(diff.getReplacesList(), []);
    assert.deepEqual(diff.getDiffsList().sort(), ["memory", "restart"]);
    const second = await lab.update(first, wanted);
    const { HostConfig } = await lab.docker.getContainer(second.id).inspect();
    assert.equal(HostConfig.Memory, 96 * 1024 * 1024);
    assert.equal(HostConfig.RestartPolicy?.Name, "unless-stopped");

    const read = await lab.read(second);
    assert.deepEqual(read?.inputs, second.inputs);
    await lab.delete(second);
    assert.equal(await exists(second.id), false);
    await lab.delete(second); // Once more changes nothing and is no error.
    assert.equal(await lab.read(second), undefined);
  });

  it("joins its networks with aliases and fixed addresses", async () => {
    const subnet = "10.213.62.0/28";
    const [a, b] = [lab.name(), lab.name()];
    await lab.create(lab.urn("network", a), { name: a, internal: true, labels });
    await lab.create(lab.urn("network", b), { name: b, internal: true, labels, ipamConfigs: [{ subnet }] });
    const ipv4Address = "10.213.62.7";
    const container = await made({
      networksAdvanced: [
        { name: a, aliases: ["one"] },
        { name: b, aliases: ["two"], ipv4Address },
      ],
    });
    const datas = container.outputs.networkDatas as {
      networkName: string;
      ipAddress: string;
      gateway: string;
    }[];
    assert.deepEqual(datas.map(({ networkName }) => networkName).sort(), [a, b].sort());
    assert.equal(datas.find(({ networkName }) => networkName === b)?.ipAddress, ipv4Address);
    const other = await made({ networksAdvanced: [{ name: b }] });
    assert.match(await output(other.id, "getent", "hosts", "two"), new RegExp(`^${ipv4Address}\\s`));
  });

  it("gets its files in a volume although its root is read-only, and its secrets stay out of the log", async () => {
    const container = await made({
      readOnly: true,
      user: "65534:65534",
      volumes: [{ containerPath: "/settings" }],
      uploads: [
        { file: "/settings/password", content: "s3cr3t-in-a-file", permissions: "0444" },
        {
          file: "/settings/keys/dkim",
          contentBase64: Buffer.from("binary").toString("base64"),
          permissions: "0400",
          owner: "65534",
        },
      ],
      envs: ["TOKEN=s3cr3t-in-the-environment"],
    });
    assert.equal(
      await output(container.id, "stat", "-c", "%a %u", "/settings/password", "/settings/keys/dkim"),
      "444 0\r\n400 65534",
    );
    assert.equal(await output(container.id, "cat", "/settings/password"), "s3cr3t-in-a-file");
    assert.doesNotMatch(lab.log.join("\n"), /s3cr3t/);
    const volume = (await lab.docker.getContainer(container.id).inspect()).Mounts[0]?.Name ?? "";
    await lab.delete(container);
    await assert.rejects(lab.docker.getVolume(volume).inspect(), { statusCode: 404 });
  });

  it("is waited for until it is healthy", async () => {
    const container = await made({
      command: ["sh", "-c", "sleep 1; touch /tmp/ready; sleep 600"],
      tmpfs: { "/tmp": "size=1m" },
      healthcheck: { tests: ["CMD", "test", "-e", "/tmp/ready"], interval: "300ms", retries: 30 },
      wait: true,
      waitTimeout: 20,
    });
    const { State } = await lab.docker.getContainer(container.id).inspect();
    assert.equal(State.Health?.Status, "healthy");
  });

  it("that turns out unhealthy fails with the evidence and leaves nothing behind", async () => {
    const { urn, inputs } = sleeper({
      command: ["sh", "-c", "echo the last words; sleep 600"],
      healthcheck: { tests: ["CMD-SHELL", "echo no such socket; exit 3"], interval: "100ms", retries: 1 },
      wait: true,
      waitTimeout: 20,
    });
    await assert.rejects(lab.create(urn, inputs), (error: Error) => {
      assert.match(error.message, /is unhealthy/);
      assert.match(error.message, /exit code 3.*no such socket.*the last words/s);
      return true;
    });
    assert.equal(await exists(String(inputs.name)), false);
    await lab.create(urn, { ...inputs, healthcheck: { tests: ["CMD", "true"], interval: "100ms" } });
  });

  it("that isn't healthy in time fails", async () => {
    const { urn, inputs } = sleeper({
      healthcheck: { tests: ["CMD", "false"], interval: "200ms", startPeriod: "1m" },
      wait: true,
      waitTimeout: 1,
    });
    await assert.rejects(lab.create(urn, inputs), /did not become healthy within 1 s/);
  });

  it("that ends at once fails with its log, unless it may", async () => {
    const { urn, inputs } = sleeper({ command: ["sh", "-c", "echo wrong setting >&2; exit 4"] });
    await assert.rejects(lab.create(urn, inputs), /ended at once \(exit code 4\).*wrong setting/s);
    assert.equal(await exists(String(inputs.name)), false);
    assert.equal((await lab.create(urn, { ...inputs, mustRun: false })).outputs.name, inputs.name);
  });

  it("whose port is taken fails with the port and the remedy, and leaves nothing behind", async () => {
    const first = await made({ ports: [{ internal: 80, ip: "127.0.0.1" }] });
    const [port] = first.outputs.ports as { external: number }[];
    assert.ok(port && port.external > 0, "the port that the engine chose is an output");
    const { urn, inputs } = sleeper({ ports: [{ internal: 80, external: port.external, ip: "127.0.0.1" }] });
    await assert.rejects(
      lab.create(urn, inputs),
      new RegExp(`port 127.0.0.1:${port.external} is taken.*choose another port`),
    );
    assert.equal(await exists(String(inputs.name)), false);
  });

  it("without its image fails with the image and the remedy", async () => {
    const { urn, inputs } = sleeper({ image: "semail-t/none:1" });
    await assert.rejects(lab.create(urn, inputs), /image semail-t\/none:1 is not on this engine.*--refresh/);
  });

  it("of an interrupted run is replaced", async () => {
    const { urn, inputs } = sleeper();
    const first = await lab.create(urn, inputs);
    const second = await lab.create(urn, inputs);
    assert.notEqual(second.id, first.id);
    assert.equal(await exists(first.id), false);
  });

  it("of somebody else is left alone, with the remedy", async () => {
    const first = await made();
    const urn = lab.urn("container", "other");
    await assert.rejects(lab.create(urn, first.inputs), /not this stack's.*docker rm -f/);
    assert.equal(await exists(first.id), true);
  });

  it("that was stopped by hand is started again", async () => {
    const container = await made();
    await lab.docker.getContainer(container.id).kill();
    const found = await lab.read(container);
    assert.ok(found);
    assert.equal(found.inputs.mustRun, false);
    const diff = await lab.diff(found, container.inputs);
    assert.deepEqual([diff.getDiffsList(), diff.getReplacesList()], [["mustRun"], []]);
    await lab.update(found, container.inputs);
    assert.equal((await lab.docker.getContainer(container.id).inspect()).State.Running, true);
  });

  it("that was changed by hand is put right", async () => {
    const container = await made({ memory: 32 });
    await lab.docker
      .getContainer(container.id)
      .update({ Memory: 48 * 1024 * 1024, MemorySwap: 96 * 1024 * 1024 });
    const found = await lab.read(container);
    assert.equal(found?.inputs.memory, 48);
    assert.deepEqual((await lab.diff(found as Made, container.inputs)).getDiffsList(), ["memory"]);
  });

  it("is imported by its name", async () => {
    const container = await made({
      memory: 32,
      readOnly: true,
      tmpfs: { "/run": "size=1m" },
      capabilities: { drops: ["ALL"] },
    });
    const found = await lab.read({
      urn: container.urn,
      id: String(container.inputs.name),
      inputs: {},
      outputs: {},
    });
    assert.equal(found?.id, container.id);
    assert.deepEqual((await lab.diff(found as Made, container.inputs)).getDiffsList(), []);
  });

  it("is stopped with grace when that is asked for", async () => {
    const volume = lab.name();
    await lab.create(lab.urn("volume", volume), { name: volume, labels });
    const container = await made({
      command: ["sh", "-c", "trap 'echo bye > /data/bye; exit 0' TERM; sleep 600 & wait"],
      init: false,
      volumes: [{ volumeName: volume, containerPath: "/data" }],
      destroyGraceSeconds: 10,
    });
    await lab.delete(container);
    const reader = await made({ volumes: [{ volumeName: volume, containerPath: "/data" }] });
    assert.equal(await output(reader.id, "cat", "/data/bye"), "bye");
  });

  it("is previewed without being made, with values that are still to come", async () => {
    const { urn, inputs } = sleeper({ image: UNKNOWN, networksAdvanced: [{ name: UNKNOWN }] });
    assert.deepEqual((await lab.check(urn, inputs)).failures, []);
    const outputs = await lab.preview(urn, inputs);
    assert.equal(outputs.networkDatas, UNKNOWN);
    assert.equal(outputs.name, inputs.name);
    assert.equal(await exists(String(inputs.name)), false);
  });

  it("that takes too long for its customTimeouts fails and leaves nothing behind", async () => {
    const { urn, inputs } = sleeper({
      healthcheck: { tests: ["CMD", "false"], interval: "1m" },
      wait: true,
      waitTimeout: 60,
    });
    await assert.rejects(lab.create(urn, inputs, 1), /longer than the resource's customTimeouts allow/);
    assert.equal(await exists(String(inputs.name)), false);
  });

  it("is given up when the update is cancelled", async () => {
    const own = await startLab();
    try {
      await own.configure({});
      const { urn, inputs } = sleeper({
        healthcheck: { tests: ["CMD", "false"], interval: "1m" },
        wait: true,
      });
      const filters = { container: [String(inputs.name)], event: ["start"] };
      const events = (await lab.docker.getEvents({ filters })) as Readable;
      const creating = assert.rejects(own.create(urn, inputs), /cancelled/);
      await once(events, "data");
      events.destroy();
      await own.cancel();
      await creating;
      assert.equal(await exists(String(inputs.name)), false);
    } finally {
      await own.close();
    }
  });
});
