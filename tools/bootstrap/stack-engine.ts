/** The Docker engine that carries a stack: this machine's, or that of the host in its stack file. */
import { fileHost } from "../../stacks/check-config.ts";
import { nameOf } from "../remote/access.ts";
import { connect } from "../remote/connection.ts";
import { prepareHost, remoteEngine } from "../remote/prepare.ts";
import { type Context, stateFolder } from "./context.ts";
import { type Engine, ensureEngine } from "./engine.ts";
import { Fault } from "./fault.ts";
import type { Stack } from "./stack.ts";

/** What is going to be done: put something there, say what would be put there, or use what is there. */
export type Purpose = "update" | "preview" | "use";

/** The engine of the stack. A machine far away stays connected until this process ends. */
export async function stackEngine(
  context: Context,
  stack: Pick<Stack, "name" | "project" | "prefix" | "committed">,
  purpose: Purpose,
): Promise<Engine> {
  const host = fileHost(stack.committed.text, stack.project);
  // Never this machine's engine by mistake: something of the same name may be on it.
  if (!host)
    throw new Fault(
      `Where ${stack.committed.name} puts the system can't be read.`,
      "Correct `semail:host` and `semail:ports` in it; `npm run preview` says what is wrong.",
    );
  if (!host.plan.remote) return ensureEngine(context);
  const { access, firewall, install } = host.plan.remote;
  const connection = await connect(access, {
    folder: stateFolder(context.root, "ssh", stack.name),
    ports: [host.ldapPort],
    signal: context.signal,
  });
  const options = {
    ...{ prefix: stack.prefix, ports: host.ports, firewall, install },
    ...{ dryRun: purpose === "preview", say: context.say },
  };
  const { docker, version } =
    purpose === "use" ? await remoteEngine(connection) : await prepareHost(connection, options);
  context.say.done(`host ${nameOf(access)}`, `Docker engine ${version}`);
  return { docker, local: false, startedPid: undefined };
}
