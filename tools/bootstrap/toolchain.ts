import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { Context, Env } from "./context.ts";
import { Fault } from "./fault.ts";
import { withLock } from "./lock.mjs";
import { inspectMachine, which } from "./machine.ts";
import { must, run, withHeartbeat } from "./run.ts";
import {
  chooseToolchain,
  type Installed,
  LANGUAGE_HOST_VERSION,
  PULUMI_VERSION,
} from "./toolchain-choice.ts";

/** The Pulumi to use. */
export interface Toolchain {
  /** Goes first on PATH; undefined when PATH has it already. */
  readonly folder: string | undefined;
  /** True for a Pulumi that the user installed. */
  readonly installed: boolean;
}

/** Something to build out of Go modules: the module with the pinned versions, and what in it. */
interface Build {
  readonly name: string;
  readonly module: string;
  readonly package: string;
  readonly version: string;
  readonly takes: string;
}

const SDK_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

const BUILDS: readonly Build[] = [
  {
    name: "pulumi",
    module: "cli",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    version: PULUMI_VERSION,
    takes: "once, about 6 min on 2 cores",
  },
  {
    name: "pulumi-language-nodejs",
    module: "language-host",
    package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    version: LANGUAGE_HOST_VERSION,
    takes: "once, about half a minute",
  },
];

/** Starts the provider of dynamic resources; ships with the npm package. */
const DYNAMIC_PROVIDER = "pulumi-resource-pulumi-nodejs";

/**
 * Where built programs are kept. All of one toolchain lie in one folder: Pulumi takes a host that lies beside it
 * for its own, and warns about any other.
 */
export function toolchainFolder(env: Env): string {
  const cache =
    env.SEMAIL_CACHE || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "semail");
  return join(cache, "toolchain", `pulumi-${PULUMI_VERSION}-nodejs-${LANGUAGE_HOST_VERSION}`);
}

async function findInstalled(context: Context, built: string): Promise<Installed | undefined> {
  const path = which("pulumi", context.env);
  // Our own is on PATH when one command runs inside another, e.g. a test that tries `up`.
  if (!path || dirname(path) === built) return undefined;
  const env = { PULUMI_SKIP_UPDATE_CHECK: "true" };
  const { stdout } = await run(context, { file: path, args: ["version"], env, timeoutMs: 20_000 });
  const beside = existsSync(join(dirname(path), "pulumi-language-nodejs"));
  const nodejs = beside || which("pulumi-language-nodejs", context.env) !== undefined;
  return { path, version: stdout.trim(), nodejs };
}

async function requireGo(context: Context): Promise<void> {
  if (which("go", context.env)) return;
  const how = inspectMachine(context.env).debian
    ? "e.g. the package golang-go of trixie or of bookworm-backports"
    : "from go.dev";
  throw new Fault(
    "Pulumi is not installed, and there is no Go to build it with.",
    `Install Pulumi 3.200 or newer, or Go 1.21 or newer (${how}); then run this again.`,
  );
}

/** Builds to a name of its own and renames: an interrupted build leaves nothing that looks finished. */
async function build(context: Context, folder: string, item: Build): Promise<void> {
  const target = join(folder, item.name);
  if (existsSync(target)) return;
  const part = `${target}.part-${process.pid}`;
  context.say.doing(`building ${item.name} ${item.version}`, item.takes);
  const args = [
    "build",
    "-trimpath",
    "-mod=readonly",
    "-ldflags",
    `-X ${SDK_VERSION_VARIABLE}=v${item.version}`,
  ];
  const command = {
    file: "go",
    args: [...args, "-o", part, item.package],
    cwd: join(context.root, "tools", "bootstrap", "toolchain", item.module),
    env: { GOFLAGS: "", GOWORK: "off", CGO_ENABLED: "0" },
  };
  const fault = {
    cause: `${item.name} ${item.version} could not be built.`,
    remedy:
      "Check that the Go module proxy can be reached and that the disk has 4 GB free; then run this again.",
  };
  try {
    await withHeartbeat(context, `building ${item.name}`, () => must(context, command, fault));
    renameSync(part, target);
  } finally {
    rmSync(part, { force: true });
  }
}

/** Only a complete folder counts. */
const isBuilt = (folder: string): boolean =>
  [...BUILDS.map(({ name }) => name), DYNAMIC_PROVIDER].every((name) => existsSync(join(folder, name)));

function copyDynamicProvider(context: Context, folder: string): void {
  const part = join(folder, `${DYNAMIC_PROVIDER}.part-${process.pid}`);
  copyFileSync(join(context.root, "node_modules", "@pulumi", "pulumi", DYNAMIC_PROVIDER), part);
  chmodSync(part, 0o755);
  renameSync(part, join(folder, DYNAMIC_PROVIDER));
}

async function buildAll(context: Context, folder: string): Promise<void> {
  await requireGo(context);
  mkdirSync(folder, { recursive: true });
  const onWait = ({ pid }: { pid: number }): void =>
    context.say.doing(`waiting for another run (process ${pid}) to build Pulumi`);
  await withLock(join(folder, "lock"), { onWait, signal: context.signal }, async () => {
    // We hold the lock, so a part that lies here belongs to a run that was killed.
    for (const name of readdirSync(folder)) if (name.includes(".part-")) rmSync(join(folder, name));
    for (const item of BUILDS) await build(context, folder, item);
    copyDynamicProvider(context, folder);
  });
}

/** Finds or builds Pulumi and its Node.js host. */
export async function ensureToolchain(context: Context): Promise<Toolchain> {
  const folder = toolchainFolder(context.env);
  const choice = chooseToolchain(await findInstalled(context, folder), isBuilt(folder));
  if (choice.kind === "installed") {
    context.say.done(`Pulumi ${choice.version}`, "installed on this machine");
    return { folder: undefined, installed: true };
  }
  if (choice.kind === "build") await buildAll(context, folder);
  context.say.done(
    `Pulumi ${PULUMI_VERSION}`,
    choice.kind === "built" ? "built earlier" : `built; ${choice.why}`,
  );
  return { folder, installed: false };
}

/** `env` with the toolchain first on PATH, but after the project's own Node. */
export function withToolchain(env: Env, toolchain: Toolchain): Env {
  if (!toolchain.folder) return env;
  const [node = "", ...rest] = (env.PATH ?? "").split(delimiter);
  return { ...env, PATH: [node, toolchain.folder, ...rest].join(delimiter) };
}
