/** The pure part of LibvirtVm: what a change of it means. */
import { z } from "zod";
import { absolutePath, domainName, localUri } from "../libvirt/fields.ts";
import type { DomainState } from "../libvirt/virsh.ts";
import { changedKeys } from "../validate.ts";
import { Network } from "./network.ts";

const OPENSSH_KEY =
  /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+( \P{Cc}*)?$/u;

/** The inputs' shape. */
export const shape = {
  uri: localUri,
  name: domainName,
  folder: absolutePath,
  vcpus: z.int("must be a whole number").min(1).max(64),
  memoryMiB: z.int("must be a whole number").min(768, "at least 768 MiB: the engine alone needs 300"),
  systemGiB: z.int("must be a whole number").min(4, "at least 4 GiB").max(1024),
  image: z.strictObject({
    id: z.string().min(1),
    disk: absolutePath,
    kernel: absolutePath,
    initrd: absolutePath,
  }),
  dataDisk: absolutePath,
  network: Network,
  authorizedKeys: z
    .array(
      z
        .string()
        .trim()
        .regex(OPENSSH_KEY, "must be a line of a .pub file, such as `ssh-ed25519 AAAA… you@example.org`"),
    )
    .min(1, "at least one: nobody could log in"),
  hostKeyPem: z.string().startsWith("-----BEGIN PRIVATE KEY-----", "must be a PKCS #8 PEM"),
  hostKey: z.string().regex(/^ssh-ed25519 [A-Za-z0-9+/=]+$/, "must be `ssh-ed25519 AAAA…`"),
  autostart: z.boolean().default(true),
  accelerator: z.enum(["auto", "kvm", "tcg"]).default("auto"),
  bootSeconds: z.int().min(30).max(3_600).default(300),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.output<typeof Inputs>;

/** What the state has besides, of the machine as it was made. */
export const Made = z.object({
  acceleratorUsed: z.enum(["kvm", "tcg"]),
  maxVcpus: z.int(),
  maxMemoryMiB: z.int(),
});
export type Made = z.output<typeof Made>;

/**
 * How far a machine can grow while it runs: to the double. Linux takes no processor that is plugged in later unless
 * it knows its hypervisor, and an emulated processor names none that it knows.
 */
export function ceilings(
  { vcpus, memoryMiB }: Pick<Inputs, "vcpus" | "memoryMiB">,
  used: Made["acceleratorUsed"],
): Omit<Made, "acceleratorUsed"> {
  return { maxVcpus: used === "kvm" ? Math.min(vcpus * 2, 64) : vcpus, maxMemoryMiB: memoryMiB * 2 };
}

/** What a running machine learns at its next start only. */
const RESTART = ["dataDisk", "network", "authorizedKeys", "hostKeyPem", "hostKey", "accelerator"] as const;
/** What can be done to it while it runs, within its ceilings. */
const LIVE = ["vcpus", "memoryMiB", "systemGiB", "autostart"] as const;
/** Another machine. */
const REPLACE = ["uri", "name", "folder"] as const;

/** What a change asks for. */
export interface Change {
  readonly replaces: string[];
  /** The system disk is made anew. */
  readonly system: boolean;
  /** It has to be shut down for it, and why. */
  readonly restart: readonly string[];
  /** Changes that a running machine takes. */
  readonly live: readonly string[];
  /** It doesn't run, or isn't known to libvirt any more. */
  readonly drift: DomainState | undefined;
}

/** Says what leads from the state `olds` to `news`. `seen`: the machine as it is, undefined where nobody could look. */
export function changeOf(
  olds: Record<string, unknown>,
  news: Record<string, unknown>,
  seen: DomainState | undefined,
): Change {
  const system = changedKeys(["image"], imageId(olds), imageId(news)).length > 0;
  const beyond = [
    // Nor does it give one back that it started with.
    ...(Number(news.vcpus) > Number(olds.maxVcpus) || Number(news.vcpus) < Number(olds.vcpus)
      ? ["vcpus"]
      : []),
    ...(Number(news.memoryMiB) > Number(olds.maxMemoryMiB) ? ["memoryMiB"] : []),
  ];
  const restart = [...(system ? ["image"] : []), ...changedKeys(RESTART, olds, news), ...beyond];
  return {
    replaces: changedKeys(REPLACE, olds, news),
    system,
    restart,
    live: changedKeys(LIVE, olds, news).filter((key) => !beyond.includes(key)),
    drift: seen === undefined || seen === "running" ? undefined : seen,
  };
}

/** Where the image lies may change; what it is decides. */
const imageId = ({ image }: Record<string, unknown>) => ({
  image: typeof image === "object" && image !== null && "id" in image ? image.id : image,
});

/** What Pulumi is told. Its name is taken, so one that replaces it comes after. */
export function answer(change: Change, other: boolean) {
  const { replaces, restart, live, drift } = change;
  const changes = replaces.length + restart.length + live.length > 0 || drift !== undefined || other;
  return { changes, replaces, deleteBeforeReplace: true };
}

/** Changes that need nothing done: they are only noted. */
export function noted(olds: Record<string, unknown>, news: Record<string, unknown>): boolean {
  return changedKeys(["bootSeconds", "image"], olds, news).length > 0;
}

/** What can't be done at all. */
export function refusals(olds: Record<string, unknown>, news: Record<string, unknown>) {
  if (!(Number(news.systemGiB) < Number(olds.systemGiB))) return [];
  const reason = `a disk can't shrink: it has ${olds.systemGiB} GiB, ${news.systemGiB} are asked for`;
  return [{ property: "systemGiB", reason }];
}
