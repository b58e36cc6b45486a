/**
 * The volume that the services read certificates from: `current/tls.crt` and `current/tls.key`, where `current` is a
 * link, so that a pair is replaced in one step and never seen half; and `state.json` and `authorities.json`, what the
 * certifier remembers.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { TlsIdentity } from "../net/types.ts";
import { syncFolder } from "../queue/sync-folder.ts";

/** A TXT record of a challenge. */
export const ChallengeRecord = z.strictObject({ zone: z.string(), name: z.string(), value: z.string() });
export type ChallengeRecord = z.infer<typeof ChallengeRecord>;

/** Times in milliseconds since 1970. What a later version wrote beside that is let be: whoever goes back forgets nothing. */
export const State = z.object({
  /** When the first pair was put here. */
  since: z.number(),
  /** When the authority issued one last; 0: never. */
  issuedAt: z.number().default(0),
  /** The directory of that authority; a state from before doesn't say. */
  issuedBy: z.string().optional(),
  /** When an attempt failed last, and how often in a row; 0: the last one did not. */
  failedAt: z.number().default(0),
  failures: z.int().default(0),
  code: z.string().optional(),
  /** The directory of the authority that was asked then. */
  failedBy: z.string().optional(),
  retryAt: z.number().default(0),
  /** Settings under which it failed: others are tried at once. */
  version: z.string().default(""),
  /** Records of an order that did not end; to be taken away. */
  left: z.array(ChallengeRecord).default([]),
});
export type State = z.infer<typeof State>;

/**
 * What is in a file of its own: versions before it refuse a state that has more than they know. One of those may have
 * written the state since, so that it says of which times it is.
 */
const Authorities = State.pick({ issuedAt: true, issuedBy: true, failedAt: true, failedBy: true });

export interface Store {
  readonly certificateFile: string;
  /** The pair that is served; undefined when there is none that can be read. */
  read(): Promise<TlsIdentity | undefined>;
  /** Serves `pair` from now on. Durable when it resolves. */
  put(pair: TlsIdentity): Promise<void>;
  /** Undefined when there is none, or it can't be read. */
  state(): Promise<State | undefined>;
  save(state: State): Promise<void>;
}

const CURRENT = "current";
const CERTIFICATE = "tls.crt";
const KEY = "tls.key";
const STATE = "state.json";
const AUTHORITIES = "authorities.json";
/** The services that mount the volume run under users of their own; nobody else mounts it. */
const READABLE = 0o444;

export function openStore(folder: string): Store {
  const certificateFile = join(folder, CURRENT, CERTIFICATE);
  return {
    certificateFile,
    async read() {
      try {
        const [certificate, key] = await Promise.all(
          [certificateFile, join(folder, CURRENT, KEY)].map((file) => readFile(file, "utf8")),
        );
        return certificate === undefined || key === undefined ? undefined : { certificate, key };
      } catch {
        return undefined;
      }
    },
    async put({ certificate, key }) {
      const before = await readlink(join(folder, CURRENT)).catch(() => undefined);
      const name = `pair-${createHash("sha256").update(`${certificate}\0${key}`).digest("hex").slice(0, 16)}`;
      if (before === name) return;
      const place = join(folder, name);
      await rm(place, { recursive: true, force: true });
      await mkdir(place, { mode: 0o755 });
      await writeDurably(join(place, KEY), key, READABLE);
      await writeDurably(join(place, CERTIFICATE), certificate, READABLE);
      syncFolder(place);
      await swapLink(folder, name);
      const kept = new Set([name, before]);
      const pairs = (await readdir(folder)).filter((entry) => entry.startsWith("pair-") && !kept.has(entry));
      await Promise.all(pairs.map((entry) => rm(join(folder, entry), { recursive: true, force: true })));
    },
    async state() {
      try {
        const state = State.parse(JSON.parse(await readFile(join(folder, STATE), "utf8")));
        return { ...(await authoritiesOf(folder, state)), ...state };
      } catch {
        return undefined;
      }
    },
    async save(state) {
      const { issuedBy, failedBy, ...rest } = State.parse(state);
      const { issuedAt, failedAt } = rest;
      await replaceJson(join(folder, AUTHORITIES), { issuedAt, issuedBy, failedAt, failedBy });
      await replaceJson(join(folder, STATE), rest);
      syncFolder(folder);
    },
  };
}

async function authoritiesOf(folder: string, state: State): Promise<Pick<State, "issuedBy" | "failedBy">> {
  try {
    const { issuedAt, issuedBy, failedAt, failedBy } = Authorities.parse(
      JSON.parse(await readFile(join(folder, AUTHORITIES), "utf8")),
    );
    return {
      ...(issuedAt === state.issuedAt && issuedBy !== undefined ? { issuedBy } : {}),
      ...(failedAt === state.failedAt && failedBy !== undefined ? { failedBy } : {}),
    };
  } catch {
    return {};
  }
}

async function replaceJson(file: string, value: object): Promise<void> {
  await writeDurably(`${file}.new`, `${JSON.stringify(value)}\n`, 0o600);
  await rename(`${file}.new`, file);
}

async function swapLink(folder: string, name: string): Promise<void> {
  const next = join(folder, `${CURRENT}.new`);
  await rm(next, { force: true });
  await symlink(name, next);
  await rename(next, join(folder, CURRENT));
  syncFolder(folder);
}

async function writeDurably(file: string, text: string, mode: number): Promise<void> {
  await rm(file, { force: true });
  const handle = await open(file, "w", mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
