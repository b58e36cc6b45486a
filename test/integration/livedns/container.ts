/** The livedns image and a hardened container of it, for one test file. */
import { randomBytes } from "node:crypto";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import Docker from "dockerode";
import { pack } from "tar-stream";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { freePort } from "../../support/ports.ts";

const root = join(import.meta.dirname, "../../..");
const docker = new Docker();
const LABELS = { "semail.test": "1" };

interface BuildFile {
  name: string;
  content: Uint8Array;
  mode: number;
}

async function contextOf(folder: string): Promise<BuildFile[]> {
  const dir = join(root, folder);
  const names = await readdir(dir);
  return Promise.all(
    names.map(async (name) => {
      const file = join(dir, name);
      return { name, content: await readFile(file), mode: (await stat(file)).mode & 0o777 };
    }),
  );
}

async function buildImage(
  tag: string,
  files: BuildFile[],
  buildargs: { [name: string]: string },
): Promise<void> {
  const tar = pack();
  for (const { name, content, mode } of files) tar.entry({ name, mode }, Buffer.from(content));
  tar.finalize();
  const stream = await docker.buildImage(Readable.from(tar), { t: tag, buildargs, labels: LABELS });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error, output) => {
      const failed = output?.find((line: { error?: string }) => line.error !== undefined);
      if (error || failed) reject(error ?? new Error(failed.error));
      else resolve();
    });
  });
}

/** A running service and how to reach it from this machine. */
export interface Livedns {
  apiUrl: string;
  token: string;
  readOnlyToken: string;
  /** `address:port` for node:dns. */
  dns: string;
  /** Stops and starts it. The data stay. */
  restart(): Promise<void>;
  /** Milliseconds that it took to end after SIGTERM. */
  stop(): Promise<number>;
  logs(): Promise<string>;
  remove(): Promise<void>;
}

async function untilHealthy(container: Docker.Container): Promise<void> {
  for (let n = 0; n < 200; n += 1) {
    const { State } = await container.inspect();
    if (State.Health?.Status === "healthy") return;
    if (!State.Running) throw new Error(`the container ended: ${await logsOf(container)}`);
    await setTimeout(100);
  }
  throw new Error(`the container is not healthy: ${await logsOf(container)}`);
}

async function logsOf(container: Docker.Container): Promise<string> {
  const log = await container.logs({ stdout: true, stderr: true });
  return log.toString();
}

/** Builds the image as the components do. */
export async function buildLivedns(): Promise<string> {
  const nodeTag = "semail-t/node";
  const binary = await realpath(join(root, "node_modules/node/bin/node"));
  const node = { name: "node", content: await readFile(binary), mode: 0o755 };
  await buildImage(nodeTag, [...(await contextOf("mailserver/images/node")), node], {});
  const main = {
    name: "main.mjs",
    content: await bundleDaemon(join(root, "tools/livedns/main.ts")),
    mode: 0o644,
  };
  const tag = "semail-t/livedns";
  await buildImage(tag, [...(await contextOf("mailserver/images/livedns")), main], { NODE_IMAGE: nodeTag });
  return tag;
}

/** Starts a container of the image, as hardened as a stack has it, and waits until it is healthy. */
export async function startLivedns(image: string, env: { [name: string]: string }): Promise<Livedns> {
  const name = `semail-t-livedns-${randomBytes(4).toString("hex")}`;
  const token = randomBytes(16).toString("hex");
  const readOnlyToken = randomBytes(16).toString("hex");
  const volume = await docker.createVolume({ Name: `${name}-data`, Labels: LABELS });
  const loopback = [{ HostIp: "127.0.0.1", HostPort: "" }];
  // DNS over TCP is asked at the port of DNS over UDP, so both get the same.
  const dns = [{ HostIp: "127.0.0.1", HostPort: String(await freePort()) }];
  const tmpfs = "rw,noexec,nosuid,nodev,size=4m,uid=5053,gid=5053,mode=0750";
  const container = await docker.createContainer({
    Image: image,
    name,
    Labels: LABELS,
    User: "5053:5053",
    Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    Volumes: { "/settings": {} },
    ExposedPorts: { "53/udp": {}, "53/tcp": {}, "8080/tcp": {} },
    Healthcheck: {
      Test: ["CMD", "/usr/local/bin/healthcheck"],
      Interval: 500_000_000,
      Timeout: 3_000_000_000,
      Retries: 20,
    },
    HostConfig: {
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Memory: 128 * 2 ** 20,
      Tmpfs: { "/run": tmpfs, "/tmp": tmpfs },
      Binds: [`${name}-data:/var/lib/knot`],
      PortBindings: { "53/udp": dns, "53/tcp": dns, "8080/tcp": loopback },
    },
  });
  const settings = pack();
  settings.entry({ name: "token", mode: 0o444 }, token);
  settings.entry({ name: "read-only-token", mode: 0o444 }, readOnlyToken);
  settings.finalize();
  const remove = async () => {
    await container.remove({ force: true, v: true });
    await volume.remove({ force: true });
  };
  try {
    await container.putArchive(Readable.from(settings), { path: "/settings" });
    await container.start();
    await untilHealthy(container);
  } catch (error) {
    await remove();
    throw error;
  }
  const ports = async (port: string) => {
    const { NetworkSettings } = await container.inspect();
    return `127.0.0.1:${NetworkSettings.Ports[port]?.[0]?.HostPort}`;
  };
  const service: Livedns = {
    apiUrl: `http://${await ports("8080/tcp")}/v5/livedns`,
    token,
    readOnlyToken,
    dns: await ports("53/udp"),
    async restart() {
      await container.restart();
      await untilHealthy(container);
      service.apiUrl = `http://${await ports("8080/tcp")}/v5/livedns`;
      service.dns = await ports("53/udp");
    },
    async stop() {
      const began = performance.now();
      await container.stop({ t: 20 });
      return performance.now() - began;
    },
    logs: () => logsOf(container),
    remove,
  };
  return service;
}
