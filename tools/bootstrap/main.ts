/** Runs one command: reads its options, wires signals, and says what went wrong. */
import { dirname } from "node:path";
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { ACTIONS, backup } from "./commands/backup.ts";
import { doctor } from "./commands/doctor.ts";
import { down } from "./commands/down.ts";
import { preview } from "./commands/preview.ts";
import { queue } from "./commands/queue.ts";
import { bench, check, crash, docs, fuzz } from "./commands/scripts.ts";
import { secret } from "./commands/secret.ts";
import { test } from "./commands/test.ts";
import { testVm } from "./commands/test-vm.ts";
import { trial } from "./commands/trial.ts";
import { up } from "./commands/up.ts";
import commands from "./commands.json" with { type: "json" };
import { type Context, sayWith } from "./context.ts";
import { exitCodeOf, Fault, messageOf, renderFault, Stopped } from "./fault.ts";

type Name = keyof typeof commands;

/** One Ctrl-C arrives up to three times: from the terminal, from npm and from the entry script. */
const SAME_SIGNAL_MS = 1_000;

function watchSignals(): { signal: AbortSignal; hurry: AbortSignal } {
  const first = new AbortController();
  const second = new AbortController();
  let since = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (!first.signal.aborted) {
        since = Date.now();
        first.abort(new Stopped(name));
      } else if (Date.now() - since > SAME_SIGNAL_MS) {
        second.abort(new Stopped(name));
      }
    });
  }
  return { signal: first.signal, hurry: second.signal };
}

function readOptions(name: Name, args: string[]): { values: Record<string, unknown>; positionals: string[] } {
  const { options, usage } = commands[name];
  try {
    const known = options as unknown as ParseArgsOptionsConfig;
    return parseArgs({
      args,
      options: known,
      allowPositionals: "positionals" in commands[name],
      strict: true,
    });
  } catch (error) {
    throw new Fault(messageOf(error), `Usage: ${usage}`);
  }
}

function wholeNumber(value: unknown, of: string): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Fault(`${String(value)} is no number of ${of}.`, "Give a whole number from 1 on.");
}

function backupOptions(values: Record<string, unknown>, [name, ...uids]: string[]) {
  const action = ACTIONS.find((each) => each === name);
  if (!action) throw new Fault("What is to be done with the backup?", `Usage: ${commands.backup.usage}`);
  const text = (key: string): string | undefined => values[key]?.toString();
  return {
    ...{ action, uids, all: values.all === true },
    ...{ folder: text("folder"), snapshot: text("snapshot"), output: text("output") },
    from: text("from"),
    mbox: values.mbox === true,
  };
}

/** The options of `queue` as the daemons know them. */
function deskFlags({ state, limit, json }: Record<string, unknown>): string[] {
  return [
    ...(state === undefined ? [] : [`--state=${String(state)}`]),
    ...(limit === undefined ? [] : [`--limit=${String(limit)}`]),
    ...(json === true ? ["--json"] : []),
  ];
}

async function dispatch(context: Context, name: Name, args: string[]): Promise<number> {
  const { values, positionals } = readOptions(name, args);
  const flag = (key: string): boolean => values[key] === true;
  const text = (key: string): string | undefined =>
    typeof values[key] === "string" ? values[key] : undefined;
  const session = {
    stack: String(values.stack ?? "dev"),
    unlock: flag("unlock"),
    color: process.stdout.isTTY === true,
  };
  switch (name) {
    case "up":
      await up(context, { ...session, refresh: flag("refresh") });
      return 0;
    case "preview":
      return preview(context, {
        ...session,
        diff: flag("diff"),
        refresh: flag("refresh"),
        comment: text("comment"),
        expectNoChanges: flag("expect-no-changes"),
      });
    case "trial":
      await trial(context, {
        stack: text("stack") ?? "",
        like: text("like"),
        mail: flag("mail"),
      });
      return 0;
    case "down":
      await down(context, { ...session, purge: flag("purge"), confirmed: flag("yes") });
      return 0;
    case "backup":
      await backup(context, { ...backupOptions(values, positionals), stack: session.stack });
      return 0;
    case "secret":
      await secret(context, { stack: session.stack, name: positionals[0] ?? "" });
      return 0;
    case "queue":
      return queue(context, { stack: session.stack, words: [...positionals, ...deskFlags(values)] });
    case "doctor":
      return doctor(context, { stack: session.stack, json: flag("json"), user: text("login") });
    case "check":
      return check(context);
    case "docs":
      return docs(context, { check: flag("check") });
    case "test":
      return test(context, {
        paths: positionals,
        concurrency: wholeNumber(values.concurrency, "test files"),
        unit: flag("unit"),
      });
    case "test:vm":
      return testVm(context, positionals);
    case "fuzz":
      return fuzz(context, {
        seconds: wholeNumber(values.seconds, "seconds"),
        seed: wholeNumber(values.seed, "seeds"),
      });
    case "crash":
      return crash(context, positionals, {
        kills: wholeNumber(values.kills, "kills"),
        seed: wholeNumber(values.seed, "seeds"),
        power: flag("power"),
      });
    case "bench":
      return bench(context, positionals);
  }
}

async function main([name = "", ...args]: string[]): Promise<number> {
  const signals = watchSignals();
  const root = dirname(dirname(import.meta.dirname));
  const context: Context = { root, env: { ...process.env }, say: sayWith(console.log), ...signals };
  try {
    return await dispatch(context, name as Name, args);
  } catch (error) {
    const stopped = signals.signal.aborted ? signals.signal.reason : error;
    if (stopped instanceof Stopped) {
      console.error("✗ Stopped. Run it again: it goes on from where it stopped.");
      return exitCodeOf(stopped.signal);
    }
    if (!(error instanceof Fault)) throw error;
    console.error(renderFault(error));
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
