import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { type Context, type Env, stateFolder } from "./context.ts";
import { Fault } from "./fault.ts";
import { checkStackName, hasSecretsKeys, mergeStackFile } from "./stack-file.ts";
import { removeHalfAttributes } from "./state-attributes.ts";

/** A stack of this checkout and where its files are. */
export interface Stack {
  readonly name: string;
  readonly project: string;
  /** Begins the names of everything the stack makes. */
  readonly prefix: string;
  /** The stack file as its author wrote it. */
  readonly committed: { readonly name: string; readonly text: string };
  /** What Pulumi is given by --config-file. */
  readonly configFile: string;
  /** A project without a program: commands that may write a stack file run here instead of in the checkout. */
  readonly shadow: string;
  /** The summary's files, e.g. ca.pem. */
  readonly folder: string;
  /** The folder of the file backend; undefined when the user keeps the state elsewhere. */
  readonly backend: string | undefined;
}

/** Writes in one step, for the owner only. */
export function writePrivate(path: string, text: string): void {
  const part = `${path}.${process.pid}`;
  writeFileSync(part, text, { mode: 0o600 });
  renameSync(part, path);
}

/** Changes a file in one step, with the rights that it has. What the operator or an editor wrote until then stays. */
export function changeShared(path: string, change: (text: string) => string): void {
  const part = `${path}.${process.pid}`;
  let text: string;
  do {
    text = readFileSync(path, "utf8");
    writeFileSync(part, change(text), { mode: statSync(path).mode & 0o777 });
  } while (readFileSync(path, "utf8") !== text);
  renameSync(part, path);
}

function readOptional(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function projectName(root: string): string {
  const project: unknown = parse(readFileSync(join(root, "Pulumi.yaml"), "utf8"));
  const name = (project as { name?: unknown } | null)?.name;
  if (typeof name === "string") return name;
  throw new Fault("Pulumi.yaml names no project.", "Restore it: `git checkout Pulumi.yaml`.");
}

function stackNames(root: string): string[] {
  return readdirSync(root).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
}

/** Keys that an earlier run kept; a file that was damaged meanwhile is as good as none. */
function keptKeys(...paths: string[]): string | undefined {
  for (const path of paths) {
    const text = readOptional(path);
    try {
      if (text !== undefined && hasSecretsKeys(text)) return text;
    } catch {
      // Unreadable: Pulumi takes the salt out of the state and writes a new one.
    }
  }
  return undefined;
}

/** The stack of that name, with Pulumi's stack file brought up to date from the committed one. */
export function openStack(context: Context, wanted: string): Stack {
  const { root, env } = context;
  const name = checkStackName(wanted);
  const committed = `Pulumi.${name}.yaml`;
  const text = readOptional(join(root, committed));
  if (text === undefined) {
    const others = stackNames(root).join(", ") || "none";
    throw new Fault(
      `There is no ${committed}.`,
      `Write it (see docs/configuration.md), or name another stack: ${others}.`,
    );
  }
  const project = projectName(root);
  const shadow = stateFolder(root, "shadow");
  writePrivate(join(shadow, "Pulumi.yaml"), `name: ${project}\nruntime: nodejs\n`);
  const configFile = join(stateFolder(root, "stacks"), committed);
  writePrivate(
    configFile,
    mergeStackFile({ name: committed, text }, keptKeys(join(shadow, committed), configFile)),
  );
  const backend = env.PULUMI_BACKEND_URL ? undefined : stateFolder(root, "state");
  if (backend) removeHalfAttributes(backend);
  return {
    name,
    project,
    prefix: `${project}-${name}`,
    committed: { name: committed, text },
    configFile,
    shadow,
    folder: stateFolder(root, "stacks", name),
    backend,
  };
}

/** Takes over the keys that `pulumi stack init` wrote in the shadow project. */
export function keepStackKeys(context: Context, stack: Stack): void {
  const committed = `Pulumi.${stack.name}.yaml`;
  const text = readFileSync(join(context.root, committed), "utf8");
  writePrivate(
    stack.configFile,
    mergeStackFile({ name: committed, text }, readOptional(join(stack.shadow, committed))),
  );
}

/** The passphrase that encrypts the state's secrets, made on first use. */
function passphraseFile(root: string): string {
  const path = join(stateFolder(root), "passphrase");
  if (existsSync(path)) return path;
  const stacks = join(root, ".semail", "state", ".pulumi", "stacks");
  if (
    existsSync(stacks) &&
    readdirSync(stacks, { recursive: true }).some((file) => String(file).endsWith(".json"))
  ) {
    throw new Fault(
      `The stacks' state is there, but its passphrase is not (${path}).`,
      "Put the file back, or give the passphrase in PULUMI_CONFIG_PASSPHRASE; without it the secrets can't be read.",
    );
  }
  const part = `${path}.${process.pid}`;
  writeFileSync(part, randomBytes(32).toString("base64url"), { mode: 0o600 });
  try {
    // Fails when another run was quicker; its passphrase is the one, then.
    linkSync(part, path);
  } catch {
    if (!existsSync(path))
      throw new Fault(`${path} can't be written.`, "Check the rights of .semail and the disk.");
  } finally {
    rmSync(part);
  }
  return path;
}

/** `env` and what every program needs that starts Pulumi: the checkout's own home, and what makes it start sooner. */
export function programEnv(env: Env, root: string): Env {
  return {
    ...env,
    PULUMI_HOME: env.PULUMI_HOME || pulumiHome(root),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...soonerStart(env, root),
  };
}

/** Environment of every pulumi command: the checkout's own state and home, unless the user has others. */
export function pulumiEnv(context: Context, stack: Stack): Env {
  const { env, root } = context;
  const own = env.PULUMI_CONFIG_PASSPHRASE === undefined && env.PULUMI_CONFIG_PASSPHRASE_FILE === undefined;
  return {
    ...programEnv(env, root),
    ...(stack.backend ? { PULUMI_BACKEND_URL: `file://${stack.backend}` } : {}),
    ...(own ? { PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile(root) } : {}),
  };
}

/** Where Node.js keeps what it has compiled: the program and its packages are loaded anew by every command. */
function compileCache(root: string): string {
  return stateFolder(root, "compile-cache");
}

/** By what Pulumi's Node.js processes start sooner; behind the options that `env` has. */
export function soonerStart(env: Env, root: string): { NODE_COMPILE_CACHE: string; NODE_OPTIONS: string } {
  // Quoted, for folders with a space in their name (`NODE_OPTIONS` in Node.js's documentation).
  const preload = `--require=${JSON.stringify(join(root, "tools/bootstrap/slow-packages.cjs"))}`;
  const given = env.NODE_OPTIONS ?? "";
  return {
    NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE || compileCache(root),
    NODE_OPTIONS: given.includes(preload) ? given : `${given} ${preload}`.trimStart(),
  };
}

/** The checkout's own PULUMI_HOME: nothing of it leaks into the user's. */
export function pulumiHome(root: string): string {
  return stateFolder(root, "pulumi-home");
}
