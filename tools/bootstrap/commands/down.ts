import { rmSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import type Docker from "dockerode";
import type { Context } from "../context.ts";
import { Fault, messageOf } from "../fault.ts";
import { openSession, type Session, type SessionOptions } from "../session.ts";

const REMEDY = "Correct it, then run `npm run down` again: it goes on from where it stopped.";

export interface DownOptions extends SessionOptions {
  readonly purge: boolean;
  /** The answer to the question that --purge asks; undefined asks it on the terminal. */
  readonly confirmed: boolean;
}

/** The stack's volumes by their label. */
async function volumes(docker: Docker, prefix: string): Promise<string[]> {
  const { Volumes } = await docker.listVolumes({ filters: { label: [`io.semail.stack=${prefix}`] } });
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
  const { docker } = session.engine;
  const { name, prefix } = session.stack;
  if (options.purge && !options.confirmed) {
    const listed = (await volumes(docker, prefix)).map((volume) => `\n  ${volume}`).join("");
    const question = `Destroy the stack ${name} with its keys, its state and these volumes?${listed || " (none)"}\nType yes: `;
    if (!(await confirm(context, question))) return context.say.line("Nothing was changed.");
  }
  if (options.purge) await session.pulumi.query(["state", "unprotect", "--all", "--yes", "--stack", name]);
  const spare = options.purge ? [] : ["--exclude-protected"];
  await session.pulumi.deploy(["destroy", "--yes", "--skip-preview", ...spare], REMEDY);
  if (options.purge) return purge(context, session);
  const kept = await volumes(docker, prefix);
  context.say.done(`stack ${name}`, "down; the next `up` makes unprotected keys and passwords anew");
  if (kept.length > 0)
    context.say.line(`  Kept: ${kept.join(", ")}\n  Remove them with \`npm run down -- --purge\`.`);
}

async function purge(context: Context, { engine, stack, pulumi }: Session): Promise<void> {
  const failures: string[] = [];
  for (const name of await volumes(engine.docker, stack.prefix)) {
    try {
      await engine.docker.getVolume(name).remove();
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
  context.say.done(`stack ${stack.name}`, "gone, with its mail, keys and state");
}
