import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { BackupSettings } from "../mailserver/contract.ts";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { TYPES } from "./types.ts";
import { type DataPolicy, dataVolume } from "./volume.ts";

export interface BackupTimerArgs {
  image: ImageRef;
  /** Times of day, UTC. */
  times: readonly string[];
  /** On the front network. */
  address: string;
  /** Its first run comes at once: what must be there by then. */
  after: pulumi.Resource[];
}

export interface BackupArgs {
  host: MailHost;
  image: ImageRef;
  /** `local`, or the address of a bucket as restic writes it. */
  repository: string;
  password: pulumi.Input<string>;
  /** A secret of the stack's own, in hexadecimal. */
  seed: pulumi.Input<string>;
  s3: { keyId: string; secretKey: pulumi.Input<string> } | undefined;
  keep: BackupSettings["keep"];
  policy: DataPolicy;
  /** What saves everything by itself. */
  timer: BackupTimerArgs | undefined;
}

/** Whose group the jobs are in; each is run as the owner of the mail that it is given. */
const USER = 5000;
const MEMORY_MB = 512;
const REPOSITORY = "/repository";
const TIMER_MEMORY_MB = 128;
const SOCKET = "/var/run/docker.sock";

/**
 * What snapshots need: the repository, and a container that is never started. `npm run backup` makes one like it for each
 * job, with the volume of the one box that the job is about, so that nothing that runs ever holds everybody's mail; so
 * does the timer, where there is a schedule.
 */
export class Backup extends pulumi.ComponentResource {
  readonly volume: docker.Volume | undefined;
  readonly pattern: EngineContainer;

  constructor(name: string, args: BackupArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.backup, name, {}, opts);
    const { host, image, policy } = args;
    const local = args.repository === "local";
    // One that stays on the host may leave the stack: a backup that is switched on again finds its snapshots.
    const guarded = { ...policy, protect: policy.protect && !policy.keepVolumes };
    this.volume = local
      ? dataVolume(
          `${name}-repository`,
          { host, name: "backup", kind: "backup", policy: guarded },
          { parent: this },
        )
      : undefined;
    this.pattern = serviceContainer(
      `${name}-job`,
      {
        host,
        name: "backup",
        kind: "backup",
        pattern: true,
        image,
        user: USER,
        memoryMb: MEMORY_MB,
        // A repository on this host asks for no network.
        networks: local ? [] : [{ network: host.front, alias: "backup" }],
        offline: local,
        files: { "settings.json": settings(args, local ? REPOSITORY : args.repository) },
        versionKey: args.seed,
        volumes: this.volume ? [{ volume: this.volume, path: REPOSITORY }] : [],
      },
      { parent: this },
    );
    if (args.timer) this.timer(name, host, args.timer);
    this.registerOutputs({});
  }

  /** Root without capabilities: the owner of the engine's socket, whatever group that has on the host. */
  private timer(name: string, host: MailHost, { image, times, address, after }: BackupTimerArgs): void {
    const memory = dataVolume(
      `${name}-timer-memory`,
      // Without it, everything is saved once more.
      { host, name: "backup-timer", kind: "state", policy: { protect: false, keepVolumes: false } },
      { parent: this },
    );
    serviceContainer(
      `${name}-timer`,
      {
        host,
        name: "backup-timer",
        kind: "service",
        image,
        user: 0,
        memoryMb: TIMER_MEMORY_MB,
        networks: [{ network: host.front, alias: "backup-timer", ipv4: address }],
        envs: [
          `BACKUP_PREFIX=${host.prefix}`,
          `BACKUP_TIMES=${times.join(" ")}`,
          `BACKUP_METRICS_ADDRESS=${address}`,
        ],
        binds: [{ path: SOCKET, readOnly: false }],
        volumes: [{ volume: memory, path: "/var/lib/semail" }],
        wait: true,
      },
      { parent: this, dependsOn: [this.pattern, ...after] },
    );
  }
}

function settings({ password, s3, keep }: BackupArgs, repository: string): pulumi.Output<string> {
  return pulumi.all([password, s3?.secretKey]).apply(
    ([password, secretKey]) =>
      `${JSON.stringify(
        BackupSettings.parse({
          repository,
          password,
          keep,
          ...(s3 && secretKey !== undefined ? { s3: { keyId: s3.keyId, secretKey } } : {}),
        }),
      )}\n`,
  );
}
