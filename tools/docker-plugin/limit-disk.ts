/** What a user may have on the file system of a volume, asked and set by `limit-disk` of the guard's image. */
import { randomBytes } from "node:crypto";
import type Docker from "dockerode";
import { runOnce } from "./run-once.ts";

/** Whose limit it is, and where. */
export interface LimitedUser {
  /** Name or id of the guard's container, whose image has the program. */
  readonly guard: string;
  /** A volume on the file system that is meant. */
  readonly volume: string;
  /** A user id of the host. */
  readonly user: number;
}

/** Zeros: none. */
export interface Limit {
  readonly kib: number;
  /** Folders included. */
  readonly files: number;
}

/** What is in force: the limit, or why there can be none. */
export type InForce =
  | ({ readonly limited: true } & Limit)
  | { readonly limited: false; readonly why: string };

const MEMORY = 32 * 2 ** 20;

/** Sets the limit, if one is given. Rejects with status 404 where volume or guard are gone, and when the engine can't run it. */
export async function limitDisk(
  docker: Docker,
  { guard, volume, user }: LimitedUser,
  limit?: Limit,
): Promise<InForce> {
  // Asked for each time: another version of the image is no change of anybody's limit.
  const { Image, Config } = await docker.getContainer(guard).inspect();
  // The engine would make one that isn't there.
  await docker.getVolume(volume).inspect();
  const outcome = await runOnce(docker, {
    // A preview may look at the same time.
    name: `${volume}-limit-${randomBytes(4).toString("hex")}`,
    ...{ Image, Labels: Config.Labels, User: "0:0" },
    Entrypoint: ["/usr/local/bin/limit-disk"],
    Cmd: [user, ...(limit ? [limit.kib, limit.files] : [])].map(String),
    HostConfig: {
      ...{ NetworkMode: "none", ReadonlyRootfs: true, Memory: MEMORY, MemorySwap: MEMORY },
      // quotactl(2) wants SYS_ADMIN, and a device that names the file system.
      ...{ CapDrop: ["ALL"], CapAdd: ["SYS_ADMIN", "MKNOD"], SecurityOpt: ["no-new-privileges:true"] },
      Binds: [`${volume}:/volume:ro`],
    },
  });
  return readAnswer(outcome);
}

/** What the program says. */
export function readAnswer({ exitCode, said }: { exitCode: number; said: string }): InForce {
  const [, kib, files] = /^limited (\d{1,15}) (\d{1,15})$/m.exec(said) ?? [];
  if (exitCode === 0 && kib !== undefined) return { limited: true, kib: Number(kib), files: Number(files) };
  const [, why] = /^unlimited: ([ -~]+)$/m.exec(said) ?? [];
  if (exitCode === 0 && why !== undefined) return { limited: false, why };
  const text = said.replaceAll(/[^ -~]+/g, " ").trim();
  return { limited: false, why: `limit-disk ended with ${exitCode}: ${text}` };
}
