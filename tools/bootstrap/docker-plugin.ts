import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { Fault } from "./fault.ts";
import { pulumiHome, writePrivate } from "./stack.ts";
import type { Toolchain } from "./toolchain.ts";
import { chooseDockerPlugin } from "./toolchain-choice.ts";

/** Version of the npm package, which is the version of the plugin that it asks for. */
function wantedVersion(root: string): string {
  const path = join(root, "node_modules", "@pulumi", "docker", "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

/**
 * Puts the chosen docker provider where Pulumi looks for installed plugins of that very version: no download is
 * tried and no warning is shown.
 */
export function ensureDockerPlugin(context: Context, toolchain: Toolchain): void {
  const { env, root } = context;
  const name = `resource-docker-v${wantedVersion(root)}`;
  const theirs = join(env.HOME || homedir(), ".pulumi", "plugins", name);
  const ours = join(env.PULUMI_HOME || pulumiHome(root), "plugins", name);
  const program = join(ours, "pulumi-resource-docker");
  const source = join(root, "tools", "docker-plugin", "pulumi-resource-docker");
  const facts = { pulumiInstalled: toolchain.installed, officialInstalled: existsSync(theirs) };
  const choice = chooseDockerPlugin(env.SEMAIL_DOCKER_PLUGIN, facts);
  if (choice === undefined) {
    throw new Fault(
      `SEMAIL_DOCKER_PLUGIN is "${env.SEMAIL_DOCKER_PLUGIN}".`,
      'Set it to "official" (Pulumi downloads it) or "builtin" (the one of this checkout), or unset it.',
    );
  }
  // A plugin that someone installed into this home themselves is theirs; only our script is replaced.
  const script = `#!/bin/sh\nexec '${source.replaceAll("'", `'\\''`)}' "$@"\n`;
  const mine = existsSync(program) && readFileSync(program).subarray(0, 64).includes("#!/bin/sh\nexec ");
  if (choice === "official") {
    if (mine) rmSync(ours, { recursive: true });
    if (!existsSync(ours) && facts.officialInstalled) {
      mkdirSync(join(ours, ".."), { recursive: true });
      symlinkSync(theirs, ours);
    }
    context.say.done("docker provider", "official");
    return;
  }
  if (existsSync(ours) && !mine) rmSync(ours, { recursive: true });
  mkdirSync(ours, { recursive: true });
  writePrivate(program, script);
  chmodSync(program, 0o700);
  context.say.done("docker provider", "the one of this checkout");
}
