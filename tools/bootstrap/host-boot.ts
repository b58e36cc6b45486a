/** Has the host of a stack looked at for what a restart would bring to light, or nobody would see. Changes nothing there. */
import { hostChecks, unseenHost } from "../doctor/host-checks.ts";
import type { Check } from "../doctor/types.ts";
import { checkBoot } from "../remote/boot.ts";
import { checkBridges } from "../remote/bridges.ts";
import { connect, lastHostKey } from "../remote/connection.ts";
import { lookAtHost } from "../remote/prepare.ts";
import { readSurvey, SURVEY } from "../remote/survey.ts";
import { type Context, stateFolder } from "./context.ts";
import { Fault } from "./fault.ts";
import { run } from "./run.ts";
import { hostOf, type OfStack } from "./stack-engine.ts";

/** The checks of the stack's host; of how it starts none where only its own machine reaches it, or where there is no systemd. */
export async function examineHost(context: Context, stack: OfStack): Promise<Check[]> {
  const { plan } = hostOf(stack);
  if (!plan.remote) {
    const isPrivate = plan.binds.every((bind) => bind.startsWith("127.") || bind === "::1");
    // Another engine than this machine's is another machine's.
    return context.env.DOCKER_HOST ? [] : examineOwn(context, isPrivate);
  }
  const { login, firewall } = plan.remote;
  const folder = stateFolder(context.root, "ssh", stack.name);
  const hostKey = login.hostKey ?? lastHostKey(folder);
  if (hostKey === undefined) return [unseenHost("nobody has connected to it from this checkout yet")];
  try {
    const connection = await connect({ ...login, hostKey }, { folder, ports: [], signal: context.signal });
    try {
      return hostChecks(await lookAtHost(connection, firewall));
    } finally {
      connection.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [unseenHost(error.message)];
  }
}

async function examineOwn(context: Context, isPrivate: boolean): Promise<Check[]> {
  const { stdout } = await run(context, { file: "sh", args: ["-c", SURVEY] });
  const facts = readSurvey(stdout);
  if (!facts) return [];
  const boot = isPrivate ? [] : checkBoot(facts, { firewall: false });
  return hostChecks([...boot, checkBridges(facts)]);
}
