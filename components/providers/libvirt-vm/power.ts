/** Starting a VM and waiting for it, and shutting it down. */
import { readFile } from "node:fs/promises";
import { type Deps, lastLines } from "../libvirt/host.ts";
import { domainState, virsh } from "../libvirt/virsh.ts";
import type { Inputs } from "./diff.ts";
import { filesOf } from "./files.ts";
import { sshPlace } from "./network.ts";

const SHUTDOWN_MS = 150_000;
const PAUSE_MS = 1_000;
const NEWS_EVERY_MS = 20_000;

/** Shuts the guest down as its power button would, and waits until it is off. False when it isn't by then. */
export async function shutDown({ uri, name }: Pick<Inputs, "uri" | "name">, deps: Deps): Promise<boolean> {
  const deadline = deps.now() + SHUTDOWN_MS;
  const on = async () => !["shut off", "gone", "crashed"].includes(await domainState(deps, uri, name));
  if (!(await on())) return true;
  deps.say(`VM ${name}: shutting down`);
  // One that ends at this very moment refuses; whether it is off is looked at below.
  await deps.run("virsh", ["--quiet", "--connect", uri, "shutdown", name]);
  while (await on()) {
    if (deps.now() > deadline) return false;
    await deps.sleep(PAUSE_MS);
  }
  return true;
}

/** Starts the VM and waits until its ssh answers with the key that it was given. Throws with the end of its console. */
export async function start(inputs: Inputs, deps: Deps): Promise<void> {
  const { uri, name, bootSeconds } = inputs;
  await virsh(deps, uri, `The VM ${name} could not be started`, ["start", name]);
  const started = deps.now();
  let told = started;
  deps.say(`VM ${name}: started; waiting for ssh (${bootSeconds} s at most)`);
  for (;;) {
    const problem = await notReady(inputs, deps);
    const seconds = Math.round((deps.now() - started) / 1_000);
    if (problem === undefined) return deps.say(`VM ${name}: ssh answers after ${seconds} s`);
    if (problem.final || seconds > bootSeconds) throw new Error(await failure(inputs, problem.text, seconds));
    if (deps.now() - told > NEWS_EVERY_MS) {
      told = deps.now();
      deps.say(`VM ${name}: still waiting for ssh (${seconds} s; ${problem.text})`);
    }
    await deps.sleep(PAUSE_MS);
  }
}

interface Problem {
  readonly text: string;
  /** Waiting doesn't help. */
  readonly final: boolean;
}

async function notReady(inputs: Inputs, deps: Deps): Promise<Problem | undefined> {
  const { address, port } = sshPlace(inputs.network);
  const { code, stdout, stderr } = await deps.run("ssh-keyscan", [
    ...["-T", "5", "-t", "ed25519", "-p", String(port), "--", address],
  ]);
  if (code === 127) return { text: stderr, final: true };
  const keys = stdout.split("\n").flatMap((line) => /^[^#]\S* (ssh-ed25519 \S+)/.exec(line)?.[1] ?? []);
  if (keys.includes(inputs.hostKey)) return undefined;
  if (keys.length > 0) {
    const text = `another machine answers at ${address} port ${port}: its host key is ${keys[0]}`;
    return { text, final: true };
  }
  const state = await domainState(deps, inputs.uri, inputs.name);
  if (state !== "running") return { text: `it is ${state}`, final: true };
  return { text: `nothing at ${address} port ${port} yet`, final: false };
}

async function failure({ name, folder }: Inputs, problem: string, seconds: number): Promise<string> {
  const { consoleLog } = filesOf(folder);
  const log = await readFile(consoleLog, "utf8").catch(() => "");
  return [
    `The VM ${name} did not come up in ${seconds} s: ${problem}.`,
    `The end of its console (${consoleLog}):`,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a console's colours and cursor movements
    lastLines(log.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, ""), 30) || "(nothing)",
  ].join("\n");
}
