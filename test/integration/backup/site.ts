/** A box and its backup, as a stack has them, without the stack. */
import { BackupSettings } from "../../../mailserver/contract.ts";
import { planImages } from "../../../stacks/image-plans.ts";
import { StackConfig } from "../../../stacks/schema.ts";
import type { Kept } from "../../../tools/bootstrap/backup/kept.ts";
import { type BackupOptions, work } from "../../../tools/bootstrap/commands/backup.ts";
import { type Context, sayWith } from "../../../tools/bootstrap/context.ts";
import type { Lab } from "../../support/docker.ts";
import { buildPlanned } from "../../support/remote-host.ts";

export interface BackupSite {
  /** Begins the names of everything. */
  readonly prefix: string;
  /** Runs an action; answers the lines that it said. */
  run(
    action: BackupOptions["action"],
    options?: Partial<BackupOptions>,
    kept?: readonly Kept[],
  ): Promise<string[]>;
  /** Does something while the stack keeps no backup. */
  without(work: () => Promise<void>): Promise<void>;
  /** Puts other settings in place, and the jobs onto a network of the engine: `none` unless told. */
  configure(settings: Partial<BackupSettings>, network?: string): Promise<void>;
}

interface BackupArgs {
  readonly prefix: string;
  readonly root: string;
  /** Where the directory is written, if there is one. */
  readonly ldapPort?: () => number;
  /** What time it is for who saves. */
  readonly now?: () => Date;
}

const MOUNT = "rw,noexec,nosuid,nodev";

/** The image, built as the stack builds it. */
async function buildImage(lab: Lab): Promise<string> {
  const { images, dns, portal, backup, certificates } = StackConfig.parse({
    domain: "semail.test",
    backup: { enabled: true },
  });
  const plans = await planImages({
    ...{ images, portal, backup, certificates },
    dns: { ...dns, provider: "none" },
  });
  const { base, node, backup: job } = plans;
  if (!base || !node || !job) throw new Error("no plan for the image");
  await buildPlanned(lab.docker, { base, node, backup: job });
  return job.tag;
}

/** Makes the pattern of the jobs under the names of the stack `prefix`. */
export async function openBackup(lab: Lab, options: BackupArgs): Promise<BackupSite> {
  const { prefix, root, ldapPort = () => 0, now = () => new Date() } = options;
  const { docker, labels } = lab;
  const image = await buildImage(lab);
  const repository = await lab.volume();
  let pattern: Awaited<ReturnType<typeof docker.createContainer>> | undefined;
  const usual = {
    repository: "/repository",
    password: "first",
    keep: { last: 2, daily: 0, weekly: 0, monthly: 0 },
  };
  const configure = async (settings: Partial<BackupSettings>, network = "none") => {
    await pattern?.remove();
    const folder = await lab.volume();
    const text = JSON.stringify(BackupSettings.parse({ ...usual, ...settings }));
    const writer = await lab.run({
      image,
      user: 0,
      entrypoint: ["/bin/sh", "-c", 'printf %s "$TEXT" >/settings/settings.json'],
      env: { TEXT: text },
      volumes: { "/settings": folder },
    });
    await writer.wait();
    pattern = await docker.createContainer({
      name: `${prefix}-backup`,
      Image: image,
      User: "5000:5000",
      Labels: labels,
      HostConfig: {
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges:true"],
        Memory: 512 * 2 ** 20,
        NetworkMode: network,
        Tmpfs: {
          "/run": `${MOUNT},size=8m,uid=5000,gid=5000,mode=0750`,
          "/tmp": `${MOUNT},size=16m,mode=1777`,
        },
        Binds: [`${repository}:/repository`, `${folder}:/settings:ro`],
      },
    });
  };
  await configure({});
  const { signal } = new AbortController();
  return {
    prefix,
    configure,
    async without(work) {
      await pattern?.remove();
      pattern = undefined;
      await work();
      await configure({});
    },
    async run(action, more = {}, kept = []) {
      const lines: string[] = [];
      const say = sayWith((line) => lines.push(line));
      const context: Context = { root, env: {}, signal, hurry: signal, say };
      const all = { stack: "t", all: false, uids: ["alice"] };
      const none = {
        folder: undefined,
        snapshot: undefined,
        from: undefined,
        output: undefined,
        mbox: false,
      };
      const place = { docker, prefix, signal, now, ldapPort: ldapPort() };
      await work(context, place, { ...all, ...none, action, ...more }, kept);
      return lines;
    },
  };
}
