/** The Docker engine that carries a stack: this machine's, or that of the host in its stack file. */
import { fileHost } from "../../stacks/check-config.ts";
import { nameOf } from "../remote/access.ts";
import { connect, lastHostKey } from "../remote/connection.ts";
import { prepareHost, remoteEngine } from "../remote/prepare.ts";
import { type Context, stateFolder } from "./context.ts";
import { type Engine, ensureEngine } from "./engine.ts";
import { Fault } from "./fault.ts";
import type { Stack } from "./stack.ts";

/** What is going to be done: put something there, say what would be put there, or use what is there. */
export type Purpose = "update" | "preview" | "use";

/** What has to be known of a stack to find its host. */
export type OfStack = Pick<Stack, "name" | "project" | "prefix" | "committed">;

/** The engine of the stack. A machine far away stays connected until this process ends. */
export async function stackEngine(context: Context, stack: OfStack, purpose: Purpose): Promise<Engine> {
  const { plan, ldapPort, ports } = hostOf(stack);
  if (!plan.remote) return ensureEngine(context);
  const { login, firewall, install } = plan.remote;
  const folder = stateFolder(context.root, "ssh", stack.name);
  const hostKey = login.hostKey ?? lastHostKey(folder);
  if (hostKey === undefined) throw unmade(stack);
  const access = { ...login, hostKey };
  const connection = await connect(access, { folder, ports: [ldapPort], signal: context.signal });
  const options = {
    ...{ prefix: stack.prefix, ports, firewall, install },
    ...{ dryRun: purpose === "preview", say: context.say },
  };
  const { docker, version, boot } =
    purpose === "use"
      ? { ...(await remoteEngine(connection)), boot: [] }
      : await prepareHost(connection, options);
  context.say.done(`host ${nameOf(access)}`, `Docker engine ${version}`);
  // An update ends with the doctor, who tells it.
  for (const { trouble } of purpose === "preview" ? boot : [])
    if (trouble) context.say.line(`! ${trouble.cause} ${trouble.remedy}`);
  return { docker, local: false, startedPid: undefined };
}

/**
 * As {@link stackEngine}; undefined where there is no engine to be had before the update: that of a VM which the update
 * makes, or starts.
 */
export async function engineIfThere(
  context: Context,
  stack: OfStack,
  purpose: Purpose,
): Promise<Engine | undefined> {
  try {
    return await stackEngine(context, stack, purpose);
  } catch (error) {
    if (!(error instanceof Fault) || !hostOf(stack).plan.vm) throw error;
    context.say.line(`! The VM can't be asked: ${error.message}`);
    return undefined;
  }
}

/** Where the stack file puts the system. Throws a Fault when that can't be read. */
export function hostOf({ committed, project }: OfStack) {
  const host = fileHost(committed.text, project);
  if (host) return host;
  // Never this machine's engine by mistake: something of the same name may be on it.
  throw new Fault(
    `Where ${committed.name} puts the system can't be read.`,
    "Correct `semail:host` and `semail:ports` in it; `npm run preview` says what is wrong.",
  );
}

const unmade = ({ name }: OfStack): Fault =>
  new Fault(
    "Nobody has connected to the stack's VM from this checkout yet.",
    `\`npm run up -- --stack ${name}\` makes it, or connects to it if it is there.`,
  );
