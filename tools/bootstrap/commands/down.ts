import { existsSync, rmSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { readCheckpoint } from "../checkpoint.ts";
import { type Context, stateFolder } from "../context.ts";
import type { Engine } from "../engine.ts";
import { Fault, messageOf, runAgain } from "../fault.ts";
import { type Disk, dataDiskOf, machineOf } from "../machine-state.ts";
import { openSession, type Session, type SessionOptions } from "../session.ts";

export interface DownOptions extends SessionOptions {
  readonly purge: boolean;
  /** The answer to the question that --purge asks; undefined asks it on the terminal. */
  readonly confirmed: boolean;
}

/** The stack's volumes by their label; none where there is no engine. */
async function volumes(engine: Engine | undefined, prefix: string): Promise<string[]> {
  if (!engine) return [];
  const { Volumes } = await engine.docker.listVolumes({ filters: { label: [`io.semail.stack=${prefix}`] } });
  return (Volumes ?? []).map(({ Name }) => Name).toSorted();
}

async function confirm(context: Context, question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new Fault(
      "--purge asks before it destroys mail, and there is no terminal to ask on.",
      "Add --yes to agree.",
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(question, { signal: context.signal })).trim() === "yes";
  } finally {
    terminal.close();
  }
}

/** Removes what the stack runs; its mail and protected keys stay unless purged. */
export async function down(context: Context, options: DownOptions): Promise<void> {
  const session = await openSession(context, options, { purpose: "use" });
  const { stack, pulumi } = session;
  const { name, prefix } = stack;
  const disk = dataDiskOf(readCheckpoint(stack));
  if (options.purge) {
    if (disk && !disk.deletable) throw keptDisk(disk.path);
    if (!options.confirmed && !(await agreed(context, session, disk)))
      return context.say.line("Nothing was changed.");
    await pulumi.query(["state", "unprotect", "--all", "--yes", "--stack", name]);
  }
  const spare = options.purge ? [] : ["--exclude-protected"];
  await pulumi.deploy(["destroy", "--yes", "--skip-preview", ...spare], runAgain("down", stack));
  // A VM has gone with all that was on it, unless it carries what is protected.
  const gone = disk && machineOf(readCheckpoint(stack)).length === 0;
  const engine = gone ? undefined : session.engine;
  if (options.purge) return purge(context, { ...session, engine });
  const kept = [...(await volumes(engine, prefix)), ...(disk && existsSync(disk.path) ? [disk.path] : [])];
  context.say.done(`stack ${name}`, "down; the next `up` makes unprotected keys and passwords anew");
  if (kept.length > 0)
    context.say.line(
      `  Kept: ${kept.join(", ")}\n  Remove them with \`npm run down -- --stack ${name} --purge\`.`,
    );
}

/** Asks on the terminal. */
async function agreed(
  context: Context,
  { engine, stack }: Session,
  disk: Disk | undefined,
): Promise<boolean> {
  const listed = [...(await volumes(engine, stack.prefix)), ...(disk ? [disk.path] : [])];
  const lines = listed.map((each) => `\n  ${each}`).join("") || " (none)";
  const question = `Destroy the stack ${stack.name} with its keys, its state and these volumes?${lines}\nType yes: `;
  return confirm(context, question);
}

const keptDisk = (path: string): Fault =>
  new Fault(
    `The data disk ${path} holds the mail and is not deleted.`,
    "If it is to go: set `semail:protect: false` and `semail:keepVolumes: false`, run `npm run up`, then run this again.",
  );

async function purge(context: Context, { engine, stack, pulumi }: Session): Promise<void> {
  const failures: string[] = [];
  for (const name of await volumes(engine, stack.prefix)) {
    try {
      await engine?.docker.getVolume(name).remove();
      context.say.done(`volume ${name}`, "removed");
    } catch (error) {
      failures.push(`${name}: ${messageOf(error)}`);
    }
  }
  if (failures.length > 0) {
    throw new Fault(
      "Some volumes could not be removed.",
      `${failures.join("\n")}\nFree them, then run this again.`,
    );
  }
  await pulumi.query(["stack", "rm", "--yes", "--stack", stack.name]);
  rmSync(stack.folder, { recursive: true, force: true });
  rmSync(stack.configFile, { force: true });
  rmSync(stateFolder(context.root, "ssh", stack.name), { recursive: true, force: true });
  context.say.done(`stack ${stack.name}`, "gone, with its mail, keys and state");
}
