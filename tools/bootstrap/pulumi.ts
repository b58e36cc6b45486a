import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { execa } from "execa";
import type { Context, Env } from "./context.ts";
import { Fault, tail } from "./fault.ts";
import { progressFilter } from "./progress.ts";
import type { Stack } from "./stack.ts";

/** Runs pulumi commands on one stack. */
export interface Pulumi {
  /** A command on the program and its resources, shown as it goes; `remedy` is for when it fails. */
  deploy(args: readonly string[], remedy: string): Promise<void>;
  /** A command on the stack alone; its standard output. */
  query(args: readonly string[], input?: string): Promise<string>;
  /** A preview as Pulumi's JSON, also of one that fails: what is wrong stands in it. */
  previewJson(args: readonly string[]): Promise<string>;
  /** True when the command succeeds. */
  succeeds(args: readonly string[]): Promise<boolean>;
}

/**
 * A preview changes nothing, yet the engine writes out the state it would have after each resource, which costs more
 * than all the rest once there are a thousand people.
 */
export const PREVIEW_ENV: Readonly<Record<string, string>> = {
  PULUMI_EXPERIMENTAL: "true",
  PULUMI_SKIP_CHECKPOINTS: "true",
};

/** A program isn't told otherwise that what others changed will be put right as well. */
const REFRESH_ENV = { SEMAIL_REFRESHES: "1" };

/** Of a command with those arguments. */
const envFor = (env: Env, verb: string, args: readonly string[]): Env => ({
  ...env,
  ...(verb === "preview" ? PREVIEW_ENV : {}),
  ...(args.includes("--refresh") ? REFRESH_ENV : {}),
});

/** Pulumi's and the engine's own words, and what they mean for the user of these commands. */
const MEANINGS: readonly { words: RegExp; cause: string; remedy: string }[] = [
  {
    words: /the stack is currently locked[\s\S]*?(created by .*)/,
    cause: "Another run works on this stack",
    remedy: "Wait until it is done. If it is no more, run this again with `-- --unlock`.",
  },
  {
    words: /incorrect passphrase/,
    cause: "The passphrase does not fit the stack's state",
    remedy:
      "Give the right one in PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE; the checkout's own is .semail/passphrase.",
  },
  {
    // The provider's own remedy names an argument of its resources, which no stack file has.
    words: /LiveDNS refused the token/,
    cause: "LiveDNS refused the token",
    remedy:
      "Give it a valid one with `npm run secret -- gandiToken --stack NAME` (or in GANDI_PERSONAL_ACCESS_TOKEN, where the stack has none), then run this again.",
  },
  {
    words: /Check auth\.apiUrl/,
    cause: "LiveDNS can't be reached",
    remedy:
      "Look at this machine's network, and at `semail:dns.apiUrl` where the stack has it; then run this again.",
  },
  {
    words: /(\S+:\d+)(?:(?: failed)?: (?:port is already allocated|bind: address already in use)| is taken)/,
    cause: "A port that the stack needs is taken",
    remedy:
      "Stop what listens there, or set another port under `ports` in the stack's config; then run this again.",
  },
  {
    words: /no space left on device/,
    cause: "The disk is full",
    remedy: "Make room (`docker system df` shows what Docker holds), then run this again.",
  },
  {
    words: /Cannot connect to the Docker daemon|connect (?:ECONNREFUSED|ENOENT) \S*docker\.sock/,
    cause: "The Docker engine went away meanwhile",
    remedy: "Start it again, then run this again.",
  },
];

/** The fault of a pulumi command that failed with this output; `remedy` where its words aren't known. */
export function explainFailure(what: string, output: string, remedy: string): Fault {
  for (const meaning of MEANINGS) {
    const found = meaning.words.exec(output);
    if (found) return new Fault(`${meaning.cause}${found[1] ? `: ${found[1]}` : ""}.`, meaning.remedy);
  }
  return new Fault(`${what} failed; the lines above name the cause.`, remedy);
}

/** Shows a stream line by line through the filter; answers all of it. */
async function show(stream: Readable, context: Context, keep: (line: string) => boolean): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    lines.push(line);
    if (keep(line)) context.say.line(line);
  }
  return lines.join("\n");
}

/** Answers what Pulumi says also when it fails, as long as it is JSON. */
async function previewJson(context: Context, stack: Stack, env: Env, args: string[]): Promise<string> {
  const target = ["--stack", stack.name, "--config-file", stack.configFile];
  const result = await execa("pulumi", ["preview", "--json", ...target, ...args], {
    env: envFor(env, "preview", args),
    extendEnv: false,
    reject: false,
    cwd: context.root,
    stdin: "ignore",
    cancelSignal: context.signal,
  });
  context.signal.throwIfAborted();
  if (result.stdout.trimStart().startsWith("{")) return result.stdout;
  throw explainFailure("pulumi preview", `${result.stdout}\n${result.stderr}`, tail(result.stderr, 10));
}

/** Pulumi for `stack`, in the environment that {@link pulumiEnv} made. */
export function pulumiFor(context: Context, stack: Stack, options: { env: Env; color: boolean }): Pulumi {
  const { env, color } = options;
  const common = ["--non-interactive", "--color", color ? "always" : "never"];
  // A terminal's Ctrl-C goes to a whole process group; in a group of its own, pulumi hears it once, from us, and
  // has the time to finish what it is at and to save its state.
  const base = { env, extendEnv: false, reject: false, detached: true } as const;

  const deploy: Pulumi["deploy"] = async ([verb = "", ...args], remedy) => {
    const target = ["--stack", stack.name, "--config-file", stack.configFile, "--suppress-progress"];
    const child = execa("pulumi", [verb, ...common, ...target, ...args], {
      ...base,
      env: envFor(env, verb, args),
      cwd: context.root,
      stdin: "ignore",
      buffer: false,
    });
    const stop = (): void => {
      context.say.line(
        "… stopping: Pulumi finishes what it is at and saves its state (again to stop at once)",
      );
      child.kill("SIGINT");
    };
    const kill = (): void => void child.kill("SIGINT");
    context.signal.addEventListener("abort", stop);
    context.hurry.addEventListener("abort", kill);
    const keep = progressFilter();
    const [out, err, result] = await Promise.all([
      show(child.stdout, context, keep),
      show(child.stderr, context, keep),
      child,
    ]);
    context.signal.removeEventListener("abort", stop);
    context.hurry.removeEventListener("abort", kill);
    context.signal.throwIfAborted();
    if (result.signal)
      throw new Fault(
        `pulumi ${verb} was killed (${result.signal}).`,
        "Run this again: it goes on from there.",
      );
    if (result.failed) throw explainFailure(`pulumi ${verb}`, `${out}\n${err}`, remedy);
  };

  const ask = (args: readonly string[], input?: string) =>
    execa("pulumi", [...args, ...common], {
      ...base,
      cwd: stack.shadow,
      ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    });

  return {
    deploy,
    previewJson: (args) => previewJson(context, stack, env, [...common, ...args]),
    succeeds: async (args) => !(await ask(args)).failed,
    query: async (args, input) => {
      const result = await ask(args, input);
      context.signal.throwIfAborted();
      if (!result.failed) return result.stdout;
      const fault = explainFailure(
        `pulumi ${args.slice(0, 2).join(" ")}`,
        result.stderr,
        "Then run this again.",
      );
      throw new Fault(fault.message, [tail(result.stderr, 10), fault.remedy].join("\n"));
    },
  };
}
