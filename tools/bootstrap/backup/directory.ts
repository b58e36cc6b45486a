/** The people's passwords: out of the directory into a snapshot, and back into one that was made anew. */
import { PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import type Docker from "dockerode";
import { Attribute, Change, Client } from "ldapts";
import type { Context } from "../context.ts";
import { Fault, messageOf } from "../fault.ts";
import { type JobEvent, readableTime } from "./events.ts";
import { type Place, runJob } from "./job.ts";
import { type Person, parseLdif, toPutBack } from "./ldif.ts";

/** The people, as slapd writes them; the hashes of their passwords with them. */
const DUMP = ["slapcat", "-f", "/run/slapd/slapd.conf", "-a", "(objectClass=inetOrgPerson)"];

/** Takes a snapshot of the people's entries. */
export async function saveDirectory(place: Place, onEvent: (event: JobEvent) => void): Promise<void> {
  const ldif = await execute(place, DUMP);
  await runJob(place, { args: ["save-directory"], input: ldif, onEvent });
}

/** Puts the passwords back, into a directory that is younger than the snapshot alone: one that lives keeps its own. */
export async function restoreDirectory(context: Context, place: Place, ldapPort: number): Promise<void> {
  context.say.doing("restoring the people's passwords");
  const out = new PassThrough();
  const reading = text(out);
  let taken = "";
  const onEvent = (event: JobEvent): void => {
    if (event.kind === "exported") taken = event.time;
  };
  await runJob(place, { args: ["export-directory"], out, onEvent });
  out.end();
  const saved = parseLdif(await reading);
  const { suffix, password } = await admin(place);
  const client = new Client({ url: `ldap://127.0.0.1:${ldapPort}`, connectTimeout: 10_000, timeout: 30_000 });
  try {
    await client.bind(`cn=admin,${suffix}`, password);
    const { made, people } = await look(client, suffix);
    if (made <= Date.parse(taken))
      return context.say.done("passwords", "the directory is the one of the snapshot: its own stay");
    const { put, others } = toPutBack(saved, people);
    for (const { dn, hash } of put) {
      const modification = new Attribute({ type: "userPassword", values: [hash] });
      await client.modify(dn, new Change({ operation: "replace", modification }));
    }
    context.say.done("passwords", `of ${put.length} people, as they were on ${readableTime(taken)}`);
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

/** When the directory's database was made, and who is in it. */
async function look(client: Client, suffix: string): Promise<{ made: number; people: Person[] }> {
  const { searchEntries: top } = await client.search(suffix, {
    scope: "base",
    attributes: ["createTimestamp"],
  });
  const { searchEntries } = await client.search(`ou=people,${suffix}`, {
    filter: "(objectClass=inetOrgPerson)",
    attributes: ["uid", "cn"],
  });
  const people = searchEntries.map(({ dn, uid, cn }) => ({ dn, uid: String(uid), name: String(cn) }));
  return { made: fromTimestamp(String(top[0]?.createTimestamp)), people };
}

/** GeneralizedTime (RFC 4517 section 3.3.13) as slapd writes it: `20260131102030Z`. */
function fromTimestamp(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

/** Whoever may use the engine may read this, too. */
async function admin(place: Place): Promise<{ suffix: string; password: string }> {
  const { Config } = await container(place).inspect();
  const suffix =
    Config.Env.find((line) => line.startsWith("SLAPD_SUFFIX="))?.slice("SLAPD_SUFFIX=".length) ?? "";
  const password = (await execute(place, ["cat", "/settings/admin-password"])).toString().replace(/\n$/, "");
  return { suffix, password };
}

const container = ({ docker, prefix }: Place): Docker.Container => docker.getContainer(`${prefix}-directory`);

/** Runs a program in the directory's container; answers its output. */
async function execute(place: Place, command: readonly string[]): Promise<Buffer> {
  const exec = await container(place)
    .exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true })
    .catch((error: unknown) => {
      throw new Fault(
        `The directory can't be asked: ${messageOf(error)}`,
        "Is the stack up? `npm run up` puts it right; then run this again.",
      );
    });
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
