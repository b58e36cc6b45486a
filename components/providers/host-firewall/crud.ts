/** The operations of HostFirewall; loaded by the shim when one runs. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Fault } from "../../../tools/bootstrap/fault.ts";
import { nameOf } from "../../../tools/remote/access.ts";
import { type Connection, connect, logIn } from "../../../tools/remote/connection.ts";
import { type HostFacts, readSurvey, SURVEY } from "../../../tools/remote/survey.ts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, Inputs, rulesOf, shape } from "./diff.ts";
import { apply, prove, remove as removal, SHOW } from "./scripts.ts";

/** Validates. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says what would change. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Puts the rules in force, logs in anew to prove that one still can, and only then keeps them. */
export async function create(props: Props) {
  const inputs = Inputs.parse(props);
  await onHost(inputs, (host) => enforce(inputs, host));
  return { id: inputs.access.hostKey, outs: inputs };
}

/** As create. */
export async function update(_id: string, _olds: Props, news: Props) {
  const inputs = Inputs.parse(news);
  await onHost(inputs, (host) => enforce(inputs, host));
  return { outs: inputs };
}

/** No id when the rules are gone, or others than ours. */
export async function read(id: string, props: Props) {
  const inputs = Inputs.parse(props);
  return onHost(inputs, async (host) => {
    const { stdout } = await host.asRoot(SHOW);
    return stdout === rulesOf(inputs, host.facts.ssh) ? { id, props: inputs } : {};
  });
}

/** Takes the rules away; that there are none is fine. So is a host that is lost, or let go of: it keeps its own. */
async function remove(_id: string, props: Props): Promise<void> {
  const inputs = Inputs.parse(props);
  try {
    await onHost(inputs, async (host) => {
      await must(host, removal(inputs.stack), "its firewall can't be removed");
    });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    console.log(`${error.message} Its firewall stays as it is.`);
  }
}

export { remove as delete };

interface Host {
  readonly connection: Connection;
  readonly facts: HostFacts;
  asRoot(script: string): ReturnType<Connection["run"]>;
}

/**
 * Of its own: the host may be one that the stack moves away from, whose engine must not be found in the place of the
 * other's.
 */
const folderOf = ({ folder }: Inputs): string => join(process.cwd(), folder, "firewall");

async function onHost<T>(inputs: Inputs, work: (host: Host) => Promise<T>): Promise<T> {
  const connection = await connect(inputs.access, { folder: folderOf(inputs), ports: [] });
  try {
    const facts = readSurvey((await connection.run(SURVEY)).stdout);
    if (!facts) throw new Error(`${nameOf(inputs.access)} doesn't tell what it is like`);
    const sudo = facts.admin === "sudo";
    return await work({ connection, facts, asRoot: (script) => connection.run(script, { sudo }) });
  } finally {
    connection.close();
  }
}

async function enforce(inputs: Inputs, host: Host): Promise<void> {
  const id = randomUUID();
  const rules = rulesOf(inputs, host.facts.ssh);
  await must(host, apply({ stack: inputs.stack, rules, id }), "its firewall can't be set");
  // Not through the connection that is there: that one stays open whatever the rules are.
  await logIn(inputs.access, folderOf(inputs));
  await must(host, prove(id), "its firewall can't be kept");
}

async function must({ connection, asRoot }: Host, script: string, what: string): Promise<void> {
  const { code, stderr } = await asRoot(script);
  if (code !== 0)
    throw new Error(
      `${nameOf(connection.access)}: ${what}: ${stderr.trim() || `the script ended with ${code}`}`,
    );
}
