/** A machine far away: a container with sshd and a Docker engine of its own, which is reached by ssh alone. */
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { execa } from "execa";
import type { BuildPlan, ImagePlans } from "../../components/mail-images.ts";
import { image } from "../../tools/docker-plugin/resources/image.ts";
import type { HostAccess } from "../../tools/remote/access.ts";
import type { Handle, Lab } from "./docker.ts";

export interface RemoteHost {
  readonly access: HostAccess;
  readonly handle: Handle;
  /** Its IPv6 address, and those of this machine as it sees them. */
  readonly address6: string;
  readonly neighbour: string;
  readonly neighbour6: string;
  /** The public half of a key that is not the host's. */
  readonly otherKey: string;
  dispose(): Promise<void>;
}

/** The image of a machine with an engine of its own. */
export const REMOTE_HOST = join(import.meta.dirname, "../fixtures/images/remote-host");

/** Everything that an engine in a container needs; not "privileged", which asks for more than some CI machines give. */
export const ENGINE_RIGHTS: Docker.HostConfig = {
  CapAdd: ["ALL"],
  CapDrop: ["SYS_RESOURCE"],
  SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
  MaskedPaths: [],
  ReadonlyPaths: [],
  DeviceCgroupRules: ["a *:* rwm"],
};

/** Starts the machine, without its engine. */
export async function startRemoteHost(lab: Lab): Promise<RemoteHost> {
  const folder = await mkdtemp(join(tmpdir(), "semail-t-ssh-"));
  const keyPair = async (name: string) => {
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, name)]);
    return (await execa("ssh-keygen", ["-y", "-f", join(folder, name)])).stdout.trim();
  };
  const authorized = await keyPair("id");
  const otherKey = await keyPair("other");
  const third = randomInt(1, 0xffff).toString(16);
  const network = await lab.network({ ipv6: `fd00:5e:${third}::/64` });
  const handle = await lab.run({
    networks: { [network]: ["host"] },
    image: await lab.ensureImage("remote-host", REMOTE_HOST),
    env: { AUTHORIZED_KEY: authorized },
    volumes: { "/var/lib/docker": await lab.volume() },
    further: ENGINE_RIGHTS,
  });
  // Its key is there before anybody listens.
  const shown = async () => {
    const { stdout, exitCode } = await handle.exec([
      "bash",
      "-c",
      "exec 3<>/dev/tcp/127.0.0.1/22 && cat /etc/ssh/ssh_host_ed25519_key.pub",
    ]);
    return exitCode === 0 ? /^ssh-ed25519 \S+/.exec(stdout)?.[0] : undefined;
  };
  let hostKey = await shown();
  for (let tries = 0; hostKey === undefined && tries < 100; tries += 1) {
    await sleep(50);
    hostKey = await shown();
  }
  if (hostKey === undefined) throw new Error(`nobody listens at the remote host: ${await handle.logs()}`);
  const place = (await lab.docker.getContainer(handle.id).inspect()).NetworkSettings.Networks[network];
  return {
    address6: place?.GlobalIPv6Address ?? "",
    neighbour: place?.Gateway ?? "",
    neighbour6: `fd00:5e:${third}::1`,
    access: { address: await handle.ip(), port: 22, user: "root", hostKey, identity: join(folder, "id") },
    handle,
    otherKey,
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Builds the images of the plans on this machine's engine, where they aren't there yet; answers their tags. */
export async function buildPlanned(docker: Docker, plans: ImagePlans): Promise<string[]> {
  const tags: string[] = [];
  const builds = Object.values(plans).filter((plan): plan is BuildPlan => "context" in plan);
  const depth = ({ on }: BuildPlan): number => {
    const below = on && plans[on];
    return below ? 1 + depth(below) : 0;
  };
  // What others build on comes first.
  for (const { tag, context, buildArgs } of builds.sort((one, other) => depth(one) - depth(other))) {
    const build = {
      context,
      dockerfile: `${context}/Dockerfile`,
      args: buildArgs,
      builderVersion: "BuilderV1",
    };
    const checked = await image.check?.({ imageName: tag, skipPush: true, build });
    const { signal } = new AbortController();
    const log = { status: () => {}, info: () => {}, warn: () => {} };
    await image.create({ urn: "", docker, log, signal }, checked?.inputs ?? {});
    tags.push(tag);
  }
  return tags;
}

/** Puts images of one engine onto another. */
export async function shipImages(from: Docker, to: Docker, tags: readonly string[]): Promise<void> {
  const query = tags.map((tag) => `names=${encodeURIComponent(tag)}`).join("&");
  const archive = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    from.modem.dial(
      {
        // The client takes the last character of a query away when it has none to add.
        path: `/images/get?${query}&`,
        method: "GET",
        isStream: true,
        statusCodes: { 200: true, 500: "server error" },
      },
      (error, stream) => (error ? reject(error) : resolve(stream as NodeJS.ReadableStream)),
    );
  });
  const progress = await to.loadImage(archive);
  await new Promise<void>((resolve, reject) => {
    to.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
  });
}
