/** Has the host of a stack looked at for what a restart would bring to light. Changes nothing there. */
import { hostChecks, unseenHost } from "../doctor/host-checks.ts";
import type { Check } from "../doctor/types.ts";
import { checkBoot } from "../remote/boot.ts";
import { connect, lastHostKey } from "../remote/connection.ts";
import { lookAtBoot } from "../remote/prepare.ts";
import { readSurvey, SURVEY } from "../remote/survey.ts";
import { type Context, stateFolder } from "./context.ts";
import { Fault } from "./fault.ts";
import { run } from "./run.ts";
import { hostOf, type OfStack } from "./stack-engine.ts";

/** The checks of the stack's host; none where only its own machine reaches it, or where there is no systemd. */
export async function examineHost(context: Context, stack: OfStack): Promise<Check[]> {
  const { plan } = hostOf(stack);
  if (!plan.remote) {
    const isPrivate = plan.binds.every((bind) => bind.startsWith("127.") || bind === "::1");
    // Another engine than this machine's is another machine's.
    return isPrivate || context.env.DOCKER_HOST ? [] : examineOwn(context);
  }
  const { login, firewall } = plan.remote;
  const folder = stateFolder(context.root, "ssh", stack.name);
  const hostKey = login.hostKey ?? lastHostKey(folder);
  if (hostKey === undefined) return [unseenHost("nobody has connected to it from this checkout yet")];
  try {
    const connection = await connect({ ...login, hostKey }, { folder, ports: [], signal: context.signal });
    try {
      return hostChecks(await lookAtBoot(connection, firewall));
    } finally {
      connection.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [unseenHost(error.message)];
  }
}

async function examineOwn(context: Context): Promise<Check[]> {
  const { stdout } = await run(context, { file: "sh", args: ["-c", SURVEY] });
  const facts = readSurvey(stdout);
  return facts ? hostChecks(checkBoot(facts, { firewall: false })) : [];
}
