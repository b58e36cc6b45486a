/** The people's passwords: out of the directory into a snapshot, and back into one that was made anew. */
import { PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import type Docker from "dockerode";
import { Attribute, Change, Client } from "ldapts";
import type { Context } from "../context.ts";
import { Fault, messageOf } from "../fault.ts";
import { type JobEvent, readableTime } from "./events.ts";
import { keeping } from "./host-age.ts";
import { type Place, runJob } from "./job.ts";
import { madeAt, type Person, parseLdif, toPutBack } from "./ldif.ts";

const SLAPCAT = ["slapcat", "-f", "/run/slapd/slapd.conf"];
/** The people, as slapd writes them; the hashes of their passwords with them. */
const DUMP = [...SLAPCAT, "-a", "(objectClass=inetOrgPerson)"];

/**
 * When the directory's database was made, which is when the host was: mail is on other volumes, which are made anew also
 * on a host that lives, as for another person.
 */
export async function directoryMade(place: Place, limitMs = ANSWER_MS): Promise<Date> {
  const asking = (async () =>
    String(await execute(place, [...SLAPCAT, "-H", `ldap:///${await suffixOf(place)}??base`])))();
  const made = madeAt(await withinTime(asking, limitMs));
  if (made) return made;
  throw new Fault(
    "The directory does not say when it was made.",
    "Is the stack up? `npm run up` puts it right; then run this again.",
  );
}

/** Boxes are saved after it: one that never answers would stop every backup. */
const ANSWER_MS = 60_000;

async function withinTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new Fault(
        `The directory has not answered within ${limitMs / 1_000} s.`,
        "Is the engine well? See `docker ps` and the log of the directory's container, then run this again.",
      ),
    );
  }, limitMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The same, or undefined where the directory can't be asked. */
export const madeOrUnknown = (place: Place): Promise<Date | undefined> =>
  directoryMade(place).catch((error: unknown) => {
    if (error instanceof Fault) return undefined;
    throw error;
  });

export interface DirectoryRequest {
  /** When the host was made; undefined where that is nothing to go by. */
  readonly made: Date | undefined;
  readonly onEvent: (event: JobEvent) => void;
}

/** Takes a snapshot of the people's entries. */
export async function saveDirectory(place: Place, { made, onEvent }: DirectoryRequest): Promise<void> {
  const ldif = await execute(place, DUMP);
  await runJob(place, {
    args: ["save-directory", ...keeping(made, place.now?.() ?? new Date())],
    input: ldif,
    onEvent,
  });
}

/** Where the directory is written, and when it was made. */
export interface DirectoryPlace extends Place {
  readonly ldapPort: number;
  readonly made: Date;
}

/** Puts the passwords back, into a directory that is younger than the snapshot alone: one that lives keeps its own. */
export async function restoreDirectory(context: Context, place: DirectoryPlace): Promise<void> {
  const { ldapPort, made } = place;
  context.say.doing("restoring the people's passwords");
  const out = new PassThrough();
  const reading = text(out);
  let taken = "";
  const onEvent = (event: JobEvent): void => {
    if (event.kind === "exported") taken = event.time;
  };
  await runJob(place, { args: ["export-directory", "--before", made.toISOString()], out, onEvent });
  out.end();
  const saved = parseLdif(await reading);
  if (made.getTime() <= Date.parse(taken))
    return context.say.done("passwords", "the directory is the one of the snapshot: its own stay");
  const suffix = await suffixOf(place);
  const password = (await execute(place, ["cat", "/settings/admin-password"])).toString().replace(/\n$/, "");
  const client = new Client({ url: `ldap://127.0.0.1:${ldapPort}`, connectTimeout: 10_000, timeout: 30_000 });
  try {
    await client.bind(`cn=admin,${suffix}`, password);
    const { put, others, changed } = toPutBack(saved, await look(client, suffix));
    for (const { dn, hash } of put) {
      const modification = new Attribute({ type: "userPassword", values: [hash] });
      await client.modify(dn, new Change({ operation: "replace", modification }));
    }
    context.say.done("passwords", `of ${put.length} people, as they were on ${readableTime(taken)}`);
    if (changed.length > 0) context.say.line(`  Changed since, and so left alone: ${changed.join(", ")}`);
    if (others.length > 0)
      context.say.line(`  Not in the snapshot under their name, and so left alone: ${others.join(", ")}`);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(
      `The directory can't be written: ${messageOf(error)}`,
      "Is the stack up? `npm run up` puts it right; then run this again.",
    );
  } finally {
    await client.unbind();
  }
}

/** Who is in the directory. */
async function look(client: Client, suffix: string): Promise<Person[]> {
  const { searchEntries } = await client.search(`ou=people,${suffix}`, {
    filter: "(objectClass=inetOrgPerson)",
    // The time is set when a password is replaced, and not with the entry (slapo-ppolicy).
    attributes: ["uid", "cn", "pwdChangedTime"],
  });
  return searchEntries.map(({ dn, uid, cn, pwdChangedTime = [] }) => ({
    ...{ dn, uid: String(uid), name: String(cn), changed: pwdChangedTime.length > 0 },
  }));
}

/** Whoever may use the engine may read this, too. */
async function suffixOf(place: Place): Promise<string> {
  const { Config } = await container(place)
    .inspect()
    .catch((error: unknown) => unreachable(error));
  const name = "SLAPD_SUFFIX=";
  return Config.Env.find((line) => line.startsWith(name))?.slice(name.length) ?? "";
}

function unreachable(error: unknown): never {
  throw new Fault(
    `The directory can't be asked: ${messageOf(error)}`,
    "Is the stack up? `npm run up` puts it right; then run this again.",
  );
}

const container = ({ docker, prefix }: Place): Docker.Container => docker.getContainer(`${prefix}-directory`);

/** Runs a program in the directory's container; answers its output. */
async function execute(place: Place, command: readonly string[]): Promise<Buffer> {
  const exec = await container(place)
    .exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true })
    .catch((error: unknown) => unreachable(error));
  const stream = await exec.start({});
  const [out, err] = [new PassThrough(), new PassThrough()];
  place.docker.modem.demuxStream(stream, out, err);
  stream.once("error", (error: Error) => out.destroy(error));
  stream.once("end", () => {
    out.end();
    err.end();
  });
  const [said, complained] = await Promise.all([buffer(out), text(err)]);
  const { ExitCode } = await exec.inspect();
  if (ExitCode === 0) return said;
  throw new Fault(
    `The directory's ${command[0]} ended with ${ExitCode}: ${complained.trim().split("\n").at(-1) ?? ""}`,
    "See `docker logs` of its container, then run this again.",
  );
}
