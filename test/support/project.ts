/** A copy of the project under a name of its own, so that a test's stack lives beside any other on the engine. */
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, type OutputMap, type Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { defaultNetwork } from "../../stacks/network-plan.ts";
import type { Summary } from "../../stacks/summary.ts";
import { freePorts, reservePort } from "./ports.ts";

const ROOT = join(import.meta.dirname, "../..");
const PROGRAM = [
  "index.ts",
  "package.json",
  "stacks",
  "components",
  "mailserver",
  "operator",
  "sdks",
  "tools",
];
const STACK = "test";
/** Whoever holds the port of a number, from here on, has the network 10.<number>.0.0/16. Below those that `freePorts` gives. */
const NETWORK_PORTS = 14_000;

/** The `semail:*` keys, without the namespace. */
export type StackKeys = Record<string, unknown>;

/** What a command printed, and its exit code. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode?: number;
}

/**
 * For commands in a test's project: they put the docker provider of their own checkout into the Pulumi home, and this
 * checkout goes while others use the common home.
 */
export const OWN_HOME = { PULUMI_HOME: undefined } as const;

export interface TestProject {
  readonly folder: string;
  /** Begins the name of everything the stack has on the host. */
  readonly prefix: string;
  readonly stack: Stack;
  /** Writes the stack's config file, as a person would edit it. */
  configure(keys: StackKeys): Promise<void>;
  summary(): Promise<Summary>;
  /** A command of `npm run` on the stack, without npm; `env` is added to the environment. */
  command(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>;
  /** Destroys what is left of the stack, and the folder. */
  dispose(): Promise<void>;
}

/** A name whose stack has a network to itself: it follows from the name, and one in a hundred pairs would have the same. */
async function freeName(): Promise<string> {
  for (;;) {
    const name = `semail-t${randomBytes(3).toString("hex")}`;
    const [, second] = defaultNetwork(`${name}-${STACK}`).split(".");
    if (await reservePort(NETWORK_PORTS + Number(second))) return name;
  }
}

/** Makes the project and selects its stack; state, PULUMI_HOME and passphrase are its own. */
export async function makeProject(keys: StackKeys): Promise<TestProject> {
  const name = await freeName();
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  for (const path of PROGRAM) await cp(join(ROOT, path), join(folder, path), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  // Where the product keeps them, so that its own programs find the stack.
  const state = join(folder, ".semail", "state");
  await mkdir(state, { recursive: true });
  const passphrase = randomBytes(16).toString("hex");
  await writeFile(join(folder, ".semail", "passphrase"), passphrase);
  const { config: _, ...project } = parse(await readFile(join(ROOT, "Pulumi.yaml"), "utf8")) as Record<
    string,
    unknown
  >;
  // Only keys of the project's own name may be declared there.
  await writeFile(join(folder, "Pulumi.yaml"), stringify({ ...project, name }));
  const configFile = join(folder, `Pulumi.${STACK}.yaml`);
  const configure = async (next: StackKeys) => {
    const kept = parse(await readFile(configFile, "utf8").catch(() => "{}")) as Record<string, unknown>;
    const config = Object.fromEntries(Object.entries(next).map(([key, value]) => [`semail:${key}`, value]));
    await writeFile(configFile, stringify({ ...kept, config }));
  };
  await configure(keys);
  const stack = await LocalWorkspace.createOrSelectStack(
    { stackName: STACK, workDir: folder },
    {
      envVars: {
        PULUMI_BACKEND_URL: `file://${state}`,
        PULUMI_CONFIG_PASSPHRASE: passphrase,
        PULUMI_SKIP_UPDATE_CHECK: "true",
      },
    },
  );
  return {
    folder,
    prefix: `${name}-${STACK}`,
    stack,
    configure,
    summary: async () => readSummary(await stack.outputs()),
    command: (words, env) =>
      execa("node", [join(folder, "tools/bootstrap/main.ts"), ...words, "--stack", STACK], {
        ...{ cwd: folder, timeout: 300_000, reject: false },
        env: { ...env, ...OWN_HOME },
      }),
    dispose: async () => {
      await stack
        .destroy({ suppressOutputs: true })
        .finally(() => rm(folder, { recursive: true, force: true }));
    },
  };
}

export function readSummary(outputs: OutputMap): Summary {
  return outputs.summary?.value as Summary;
}

/** Names for which a stack needs ports of its own. */
const PORTS = ["smtp", "submission", "submissions", "imap", "imaps", "sieve", "ldap", "dnsApi"] as const;
export type Ports = Record<(typeof PORTS)[number], number>;

/** Free ports for everything a stack publishes. */
export async function stackPorts(): Promise<Ports> {
  const ports = await freePorts(PORTS.length);
  return Object.fromEntries(PORTS.map((name, index) => [name, ports[index] ?? 0])) as Ports;
}
