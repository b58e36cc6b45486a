/** Asks libvirt, through virsh. */
import { type Deps, type Ended, HostError } from "./host.ts";

/** Runs `virsh ARGS` and answers its output; `what` begins the error. */
export async function virsh(deps: Deps, uri: string, what: string, args: readonly string[]): Promise<string> {
  const ended = await ask(deps, uri, args);
  if (ended.code !== 0) throw new HostError(what, ended);
  return ended.stdout;
}

/** As virsh words it (`running`, `shut off`, `paused`, …); `gone` when libvirt knows no such domain. */
export type DomainState =
  | "running"
  | "shut off"
  | "paused"
  | "crashed"
  | "in shutdown"
  | "gone"
  | (string & {});

/** The state of a domain. Throws when libvirt can't be asked. */
export async function domainState(deps: Deps, uri: string, name: string): Promise<DomainState> {
  return (await lookUp(deps, uri, ["domstate", name]))?.trim() ?? "gone";
}

/** The UUID of a domain; undefined when libvirt knows no such domain. */
export async function domainUuid(deps: Deps, uri: string, name: string): Promise<string | undefined> {
  return (await lookUp(deps, uri, ["domuuid", name]))?.trim();
}

async function lookUp(deps: Deps, uri: string, args: readonly [string, string]): Promise<string | undefined> {
  const ended = await ask(deps, uri, args);
  if (ended.code === 0) return ended.stdout;
  if (/failed to get domain|Domain not found/.test(ended.stderr)) return undefined;
  throw new HostError(`libvirt can't be asked for the VM ${args[1]}`, ended);
}

const ask = (deps: Deps, uri: string, args: readonly string[]): Promise<Ended> =>
  deps.run("virsh", ["--quiet", "--connect", uri, ...args]);
