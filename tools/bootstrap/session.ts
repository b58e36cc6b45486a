import { ownHalfChanged, removeHalfMade } from "../half-made.ts";
import { ensureBaseImage } from "./base-image.ts";
import type { Context, Env } from "./context.ts";
import { ensureDockerPlugin } from "./docker-plugin.ts";
import type { Engine } from "./engine.ts";
import { Fault, messageOf } from "./fault.ts";
import { ensureLibvirt } from "./libvirt.ts";
import { type Pending, readPending, removeLeftovers } from "./pending.ts";
import { type Pulumi, pulumiFor } from "./pulumi.ts";
import { clearLocks } from "./pulumi-lock.ts";
import { keepStackKeys, openStack, programEnv, pulumiEnv, type Stack } from "./stack.ts";
import { engineIfThere, hostOf, type Purpose } from "./stack-engine.ts";
import { ensureToolchain, withToolchain } from "./toolchain.ts";

/** Everything that a command on a stack works with. */
export interface Session {
  /** Undefined when it is that of a VM which isn't there, or doesn't answer. */
  readonly engine: Engine | undefined;
  readonly stack: Stack;
  readonly pulumi: Pulumi;
}

/** Options that all stack commands share. */
export interface SessionOptions {
  readonly stack: string;
  readonly unlock: boolean;
  readonly color: boolean;
}

/** What the session is for, and what is looked at before anything else is done. */
interface Opening {
  readonly purpose: Purpose;
  readonly check?: (stack: Stack) => void;
}

/** The toolchain and the environment that finds it: PATH alone. */
async function ensurePulumi(context: Context): Promise<Env> {
  const toolchain = await ensureToolchain(context);
  ensureDockerPlugin(context, toolchain);
  return withToolchain(context.env, toolchain);
}

/** Brings all that Pulumi needs, and makes or opens the stack. */
export async function openSession(
  context: Context,
  options: SessionOptions,
  { purpose, check }: Opening,
): Promise<Session> {
  // First what costs nothing to find wrong.
  const stack = openStack(context, options.stack);
  check?.(stack);
  if (purpose === "update" && hostOf(stack).plan.vm) await ensureLibvirt(context);
  const engine = await engineIfThere(context, stack, purpose);
  if (engine) await ensureBaseImage(context, engine);
  const path = await ensurePulumi(context);
  const env = pulumiEnv({ ...context, env: path }, stack);
  const pulumi = pulumiFor(context, stack, { env, color: options.color });
  await selectStack(context, stack, pulumi);
  if (options.unlock && !stack.backend) await pulumi.query(["cancel", "--yes", "--stack", stack.name]);
  clearLocks(context, stack, options.unlock);
  // What it half made is looked for by the next command that reaches the engine.
  if (engine) await settlePending(context, { engine, stack, pulumi });
  return { engine, stack, pulumi };
}

/** Pulumi on a stack, which is made if there is none of that name; without its engine. */
export async function openPulumi(context: Context, name: string): Promise<Pick<Session, "stack" | "pulumi">> {
  const stack = openStack(context, name);
  const env = pulumiEnv({ ...context, env: await ensurePulumi(context) }, stack);
  const pulumi = pulumiFor(context, stack, { env, color: false });
  await selectStack(context, stack, pulumi);
  return { stack, pulumi };
}

/** What a stack's last update said of it: needs neither engine nor lock, and changes nothing. */
export async function readOutput(context: Context, name: string, key: string): Promise<unknown> {
  const stack = openStack(context, name);
  const env = pulumiEnv({ ...context, env: await ensurePulumi(context) }, stack);
  const pulumi = pulumiFor(context, stack, { env, color: false });
  const outputs = (await pulumi.succeeds(["stack", "select", "--stack", stack.name]))
    ? await pulumi.query(["stack", "output", "--json", "--show-secrets", "--stack", stack.name])
    : "{}";
  const value = (JSON.parse(outputs) as Record<string, unknown>)[key];
  if (value !== undefined) return value;
  throw new Fault(
    `The stack ${stack.name} is not up.`,
    `Bring it up first: \`npm run up -- --stack ${stack.name}\`.`,
  );
}

/** What programs that start Pulumi themselves (tests, benchmarks) find in their environment; state is theirs. */
export async function ensureProgramEnv(context: Context): Promise<Env> {
  return programEnv(await ensurePulumi(context), context.root);
}

/** Initialises the stack when it isn't there, in the shadow project: the checkout's stack file stays untouched. */
async function selectStack(context: Context, stack: Stack, pulumi: Pulumi): Promise<void> {
  const select = ["stack", "select", "--stack", stack.name];
  if (await pulumi.succeeds(select)) return context.say.done(`stack ${stack.name}`, "there");
  await pulumi.query(["stack", "init", stack.name]);
  keepStackKeys(context, stack);
  context.say.done(`stack ${stack.name}`, "made");
}

/**
 * An update that was killed leaves operations open. What it half made is removed (it would be in the way of its own
 * name), and the open operations are cleared, which `stack import` does.
 */
export async function settlePending(
  context: Context,
  { engine, stack, pulumi }: Omit<Session, "engine"> & { readonly engine: Pick<Engine, "docker"> },
): Promise<void> {
  const pending = readPending(stack);
  if (pending.operations === 0) return;
  const removed = [
    ...(await removeLeftovers(engine.docker, stack, pending)),
    ...(await removeRecords({ stack, pulumi }, pending)),
  ];
  const state = await pulumi.query(["stack", "export", "--stack", stack.name]);
  await pulumi.query(["stack", "import", "--stack", stack.name], ownHalfChanged(state));
  const names = removed.length > 0 ? `, half-made ${removed.join(", ")} removed` : "";
  context.say.done("interrupted update", `${pending.operations} open operations cleared${names}`);
}

/** Those of the stack's records that an update was making at LiveDNS when it was killed. */
async function removeRecords(
  session: Pick<Session, "stack" | "pulumi">,
  { records }: Pending,
): Promise<string[]> {
  if (records.length === 0) return [];
  try {
    return await removeHalfMade(await readConfig(session), records);
  } catch (error) {
    throw new Fault(
      `What an interrupted update made at LiveDNS could not be looked for: ${messageOf(error)}`,
      "Then run the same command again.",
    );
  }
}

/** The stack's config with its secrets, as JSON. */
export const readConfig = ({ pulumi, stack }: Pick<Session, "stack" | "pulumi">): Promise<string> =>
  pulumi.query([
    ...["config", "--json", "--show-secrets", "--stack", stack.name, "--config-file", stack.configFile],
  ]);
