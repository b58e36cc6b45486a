/**
 * Runs one backup job in a container of its own, which holds the volume of one box at most. What is on that volume is the
 * word of its box, and may be a link to anything: so what writes there has neither the repository nor its password.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PassThrough, type Writable } from "node:stream";
import { text } from "node:stream/consumers";
import type Docker from "dockerode";
import { statusOf, unlessMissing } from "../../docker-plugin/errors.ts";
import { Fault } from "../fault.ts";
import { busy, jobName, requireIdle } from "./busy.ts";
import { type JobEvent, parseEvent, remedyOf } from "./events.ts";

export interface Place {
  readonly docker: Docker;
  /** Begins the names of everything that the stack makes. */
  readonly prefix: string;
  readonly signal: AbortSignal;
  /** What time it is; the system's unless given. */
  readonly now?: () => Date;
}

/**
 * What of the box's volume a job has. `alone`: to write to, and nothing else. `read`: to read, and the repository to write
 * to. `write`: to write to, and the repository to read. Undefined: nothing; the mail may be gone.
 */
export type MailShare = "alone" | "read" | "write";

export interface JobRequest {
  /** Of the mailbox; undefined for a job that is about none. */
  readonly id?: string;
  readonly mail?: MailShare;
  readonly args: readonly string[];
  readonly onEvent: (event: JobEvent) => void;
  /** Gets what the job hands out. */
  readonly out?: Writable;
  /** Its standard input, to the end. */
  readonly input?: Buffer | Promise<Buffer>;
  /** Gets what is known of the box's volume, before the job begins. */
  readonly onMail?: (mail: Mail) => void;
  /** Another program of the image. */
  readonly entrypoint?: readonly string[];
}

/** Ids of the mailboxes of the stack whose mail is on the host, those that were given up among them. */
export async function mailVolumes({ docker, prefix }: Place): Promise<string[]> {
  const label = [`io.semail.stack=${prefix}`, "io.semail.kind=mail"];
  const { Volumes } = await docker.listVolumes({ filters: { label } });
  const start = `${prefix}-mail-`;
  return (Volumes ?? [])
    .flatMap(({ Name }) => (Name.startsWith(start) ? [Name.slice(start.length)] : []))
    .sort();
}

/** The volume of a mailbox. */
export const mailVolume = (prefix: string, id: string): string => `${prefix}-mail-${id}`;

/** What jobs are like; undefined for a stack that keeps no backup. */
export function patternOf({ docker, prefix }: Place): Promise<Docker.ContainerInspectInfo | undefined> {
  return unlessMissing(docker.getContainer(`${prefix}-backup`).inspect());
}

/** The same, or a fault that says how to have a backup. */
export async function requirePattern(place: Place): Promise<Docker.ContainerInspectInfo> {
  const pattern = await patternOf(place);
  if (pattern) return pattern;
  throw new Fault(
    "This stack keeps no backup.",
    "Set `semail:backup: {enabled: true}` in its file (docs/operations.md, Backup), then `npm run up`.",
  );
}

/** Runs the job to its end. A job that failed is a fault with what it said. */
export async function runJob(place: Place, request: JobRequest): Promise<void> {
  const { docker, prefix, signal } = place;
  const pattern = await requirePattern(place);
  const { id, mail } = request;
  const volume = id === undefined || mail === undefined ? undefined : mailVolume(prefix, id);
  // No uid begins with a sign.
  const name = jobName(prefix, partOf(request), id ?? "-directory");
  if (mail === "alone" && id !== undefined) await requireIdle(place, id);
  const found =
    id === undefined || mail === undefined ? undefined : await mailOf(place, pattern, { id, name });
  if (found) request.onMail?.(found);
  const owner = found?.owner;
  const container = await create(place, jobOptions(pattern, { volume, owner }, request), name);
  const stop = (): void => void container.stop({ t: 10 }).catch(() => {});
  try {
    signal.addEventListener("abort", stop, { once: true });
    signal.throwIfAborted();
    await follow(docker, container, request);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", stop);
    await unlessMissing(container.remove({ force: true }));
  }
}

/** Whoever only asks the repository about a box gets in nobody's way who works on it. */
function partOf({ id, mail }: JobRequest): string {
  if (mail === "read" || mail === "write") return "store";
  return id !== undefined && mail === undefined ? "history" : "job";
}

/** A mailbox's mail on the host. */
export interface Mail {
  /** To whom it belongs: a user id of the host. */
  readonly owner: number;
  /** When its volume was made; undefined where the file system doesn't say. Docker 20 tells of its last change. */
  readonly made: Date | undefined;
}

/**
 * Says who owns the mail, and when its volume was made. A repository that was made when all boxes ran as one user is shared with its group first; its
 * top goes last, being the mark that it is done. What was saved when each job ran as its box's user becomes the
 * repository's own, once, by a copy in its place: what a user has, their box's disk is charged with. There, the mark is
 * that nobody else may remove what lies at the top (the sticky bit). What another job removes meanwhile is for the next.
 */
const LOOK = `stat -c "%u %W" /srv/mail
[ ! -O /repository ] || [ "$(stat -c %a /repository)" != 700 ] || find /repository -depth -exec chmod g=u {} +
[ ! -w /repository ] || [ -k /repository ] || {
  copy=/repository/.copy-$$
  find /repository -path /repository/locks -prune -o -type f ! -user "$(id -u)" -exec sh -ec '
    copy=$1; shift
    for file; do cp --preserve=mode,timestamps "$file" "$copy"; mv "$copy" "$file"; done' own "$copy" {} + &&
    chmod +t /repository || rm -f "$copy"
} 2>/dev/null`;

/** What is known of a mailbox's mail. A fault where there is none of it. */
export async function lookAtMail(place: Place, id: string): Promise<Mail> {
  return mailOf(place, await requirePattern(place), { id, name: jobName(place.prefix, "job", id) });
}

/** Asks a container like the job's, of its name. */
async function mailOf(
  place: Place,
  pattern: Docker.ContainerInspectInfo,
  { id, name }: { id: string; name: string },
): Promise<Mail> {
  const volume = mailVolume(place.prefix, id);
  if (!(await unlessMissing(place.docker.getVolume(volume).inspect())))
    throw new Fault(
      `There is no mail of ${id} on this host (volume ${volume}).`,
      "Check the uid. To restore onto a new host, put the person into the config and run `npm run up` first.",
    );
  const out = new PassThrough();
  const reading = text(out);
  const look = {
    mail: "read",
    entrypoint: ["/bin/sh", "-c", LOOK],
    args: [],
    onEvent: () => {},
    out,
  } as const;
  const container = await create(place, jobOptions(pattern, { volume }, look), `${name}-owner`);
  try {
    await follow(place.docker, container, look);
  } finally {
    out.end();
    await unlessMissing(container.remove({ force: true }));
  }
  const [owner = 0, born = 0] = (await reading).trim().split(" ").map(Number);
  if (!(owner > 0)) throw new Fault(`Nobody owns the mail on ${volume}.`, "Run `npm run up` first.");
  return { owner, made: born > 0 ? new Date(born * 1_000) : undefined };
}

/**
 * As the pattern, with what the request needs and no more. Nothing of the output is logged: it may be mail. `owner`: of the
 * box's volume. Who writes there runs as they; who reads there is in their group, since what it writes to the repository
 * is no box's.
 */
function jobOptions(
  { Image, Config, HostConfig }: Docker.ContainerInspectInfo,
  { volume, owner }: { volume: string | undefined; owner?: number | undefined },
  { args, entrypoint, input, mail }: JobRequest,
): Docker.ContainerCreateOptions {
  const { ReadonlyRootfs, CapDrop, SecurityOpt, Memory, MemorySwap, Tmpfs } = HostConfig;
  const user = mail === "read" ? undefined : owner;
  const group = mail === "alone" ? user : Config.User.replace(/.*:/, "");
  return {
    Image,
    User: user === undefined ? Config.User : `${user}:${group}`,
    Labels: Config.Labels,
    Cmd: [...args],
    ...(entrypoint ? { Entrypoint: [...entrypoint] } : {}),
    ...(input ? { OpenStdin: true, StdinOnce: true, AttachStdin: true } : {}),
    HostConfig: {
      ...{ ReadonlyRootfs, CapDrop, SecurityOpt, Memory, MemorySwap },
      ...(mail === "read" && owner !== undefined ? { GroupAdd: [String(owner)] } : {}),
      NetworkMode: mail === "alone" ? "none" : HostConfig.NetworkMode,
      ...(Tmpfs ? { Tmpfs: user === undefined ? Tmpfs : ownedBy(Tmpfs, user) } : {}),
      ...mountsOf(HostConfig, mail, volume),
      LogConfig: { Type: "none", Config: {} },
    },
  };
}

const MAIL = "/srv/mail";
export const SETTINGS = "/settings";

/** What the container sees of volumes. Beside a box's volume there are no settings: what they say is told. */
function mountsOf(
  { Binds, Mounts = [] }: Docker.HostConfig,
  mail: MailShare | undefined,
  volume: string | undefined,
): Pick<Docker.HostConfig, "Binds" | "Mounts"> {
  const binds = (Binds ?? []).map((text) => {
    const [Source = "", Target = "", mode = ""] = text.split(":");
    return { Type: "volume" as const, Source, Target, ReadOnly: mode.split(",").includes("ro") };
  });
  const own = [...binds, ...Mounts]
    .filter(({ Target }) => mail === undefined || (mail !== "alone" && Target !== SETTINGS))
    .map((mount) => (mail === "write" ? { ...mount, ReadOnly: true } : mount));
  const box =
    volume === undefined
      ? []
      : [{ Type: "volume" as const, Source: volume, Target: MAIL, ReadOnly: mail === "read" }];
  return { Mounts: [...own, ...box] };
}

const ownedBy = (tmpfs: Record<string, string>, user: number): Record<string, string> =>
  Object.fromEntries(
    Object.entries(tmpfs).map(([path, options]) => [path, options.replace(/\buid=\d+/, `uid=${user}`)]),
  );

/** The name keeps a second job from the same box; what a killed run left is cleared away. */
async function create(
  { docker }: Place,
  options: Docker.ContainerCreateOptions,
  name: string,
): Promise<Docker.Container> {
  const left = await unlessMissing(docker.getContainer(name).inspect());
  if (left && !left.State.Running) await unlessMissing(docker.getContainer(left.Id).remove({ force: true }));
  try {
    return await docker.createContainer({ ...options, name });
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    throw busy(name);
  }
}

async function follow(
  docker: Docker,
  container: Docker.Container,
  { onEvent, out, input }: JobRequest,
): Promise<void> {
  const ways = { stream: true, stdout: true, stderr: true };
  // Both ways over one connection, the half of which is closed after the input.
  const stream = await container.attach(input ? { ...ways, stdin: true, hijack: true } : ways);
  const events = new PassThrough();
  const handedOut = {
    // An archive is larger than memory.
    write(chunk: Buffer): void {
      if (!out || out.write(chunk)) return;
      stream.pause();
      out.once("drain", () => stream.resume());
    },
  };
  docker.modem.demuxStream(stream, handedOut as NodeJS.WritableStream, events);
  const closed = once(stream, "close").then(() => events.end());
  let fault: Fault | undefined;
  let said = "";
  const reading = (async () => {
    for await (const line of createInterface({ input: events })) {
      const event = parseEvent(line);
      if (event?.kind === "fault") fault = new Fault(event.cause, remedyOf(event));
      else if (event) onEvent(event);
      else said = line;
    }
  })();
  await container.start();
  // Of a promise that is broken there is nothing to tell: who made it does.
  if (input)
    void Promise.resolve(input).then(
      (bytes) => stream.end(bytes),
      () => stream.end(),
    );
  const { StatusCode } = (await container.wait()) as { StatusCode: number };
  await Promise.all([closed, reading]);
  if (fault) throw fault;
  if (StatusCode !== 0)
    throw new Fault(
      `The backup job ended with ${StatusCode}${said ? `: ${said}` : ""}.`,
      StatusCode === 137 ? "It was killed, as for want of memory: run it again." : "Run it again.",
    );
}
