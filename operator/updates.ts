/** Updates of one stack for one person, through Pulumi's Automation API. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EngineEvent,
  LocalWorkspace,
  PulumiCommand,
  Stack as PulumiStack,
} from "@pulumi/pulumi/automation/index.js";
import type Docker from "dockerode";
import type { Log } from "../mailserver/net/log.ts";
import { CHANGED_SINCE, type ForPerson } from "../stacks/basis.ts";
import { targetsOf } from "../stacks/mailbox-resources.ts";
import { TAKEOVER } from "../stacks/mailboxes/plan.ts";
import type { Context } from "../tools/bootstrap/context.ts";
import { Fault, messageOf } from "../tools/bootstrap/fault.ts";
import { explainFailure, pulumiFor } from "../tools/bootstrap/pulumi.ts";
import { clearLocks } from "../tools/bootstrap/pulumi-lock.ts";
import { settlePending } from "../tools/bootstrap/session.ts";
import { openStack, pulumiEnv, type Stack, writePrivate } from "../tools/bootstrap/stack.ts";
import { mergeStackFile } from "../tools/bootstrap/stack-file.ts";
import type { Change } from "./changes.ts";
import { Refusal } from "./refusal.ts";

/** A change as it happens. */
export interface Progress extends Change {
  readonly state: "running" | "done" | "failed";
}

/** What can be done with the stack. Failures are Refusals whose text has no secret in it. */
export interface StackUpdates {
  /** Makes ready what the next update would otherwise wait for; changes nothing. */
  prepare(): Promise<void>;
  /**
   * Makes what is the person's own as this stack file has it, and leaves all else as it is. Refuses with
   * `needs-administrator`, before anything is touched, where more than their entry changed since the last update.
   */
  update(text: string, person: ForPerson, onProgress: (progress: Progress) => void): Promise<void>;
  /** Lets a resource of that name be deleted. */
  unprotect(name: string): Promise<void>;
}

export interface UpdatesOptions {
  readonly context: Context;
  readonly stackName: string;
  readonly docker: Docker;
  readonly log: Log;
  /** How long to wait for another run that works on the stack; milliseconds. */
  readonly patienceMs: number;
}

/** Somebody waits in front of a browser, and the directory that an update finds was not started by it. */
const ENV = { SEMAIL_DIRECTORY_PATIENCE_SECONDS: "10" };

const REMEDY = "An administrator finds the cause in the operator's log.";

/** Updates of the stack of that name in the context's checkout. */
export function stackUpdates(options: UpdatesOptions): StackUpdates {
  const { context, log } = options;
  const pulumi = once(() => PulumiCommand.get());
  return {
    prepare: async () => void (await pulumi()),
    update: async (text, person, onProgress) => {
      const began = performance.now();
      const heard: string[] = [];
      try {
        const opened = await open(options, text);
        await updateOwn(context, { ...opened, person, pulumi: await pulumi() }, (event) => {
          hear(event, heard);
          const progress = progressOf(event);
          if (progress) onProgress(progress);
        });
      } catch (error) {
        throw failure(options, heard, error);
      }
      log.info("operator.ran", { ms: Math.round(performance.now() - began) });
    },
    unprotect: async (name) => {
      const stack = openStack(context, options.stackName);
      const env = pulumiEnv(context, stack);
      const pulumi = pulumiFor(context, stack, { env, color: false });
      const urns =
        (await pulumi.query(["stack", "--show-urns", "--stack", stack.name])).match(/urn:pulumi:\S+/g) ?? [];
      for (const urn of urns.filter((one) => one.endsWith(`::${name}`)))
        await pulumi.query(["state", "unprotect", urn, "--yes", "--stack", stack.name]);
    },
  };
}

interface Opened {
  readonly stack: Stack;
  readonly env: Record<string, string>;
}

interface Own extends Opened {
  readonly person: ForPerson;
  readonly pulumi: PulumiCommand;
}

/** Updates what is the person's own; the engine itself leaves the rest as the state has it. */
async function updateOwn(
  context: Context,
  { stack, env, person: { uid, entries }, pulumi }: Own,
  onEvent: (event: EngineEvent) => void,
): Promise<void> {
  const own = { ...env, SEMAIL_PERSON: uid, SEMAIL_PERSON_ENTRIES: entries.join(",") };
  const selected = await select(context, stack, { env: own, pulumi });
  await selected.up({
    target: targetsOf(uid),
    configFile: stack.configFile,
    onEvent,
    signal: context.signal,
    color: "never",
  });
}

/** What to throw, once it is in the log. `heard`: what Pulumi said of errors; it takes secrets out. */
function failure({ context, log }: UpdatesOptions, heard: readonly string[], error: unknown): Refusal {
  context.signal.throwIfAborted();
  const own = heard.length === 0 || error instanceof Fault ? [messageOf(error)] : [];
  const said = [...heard, ...own].join("\n");
  log.error("operator.update.failed", { reason: said.slice(-4_000) });
  return asRefusal(said, error);
}

/** The stack with `text` as its file, no lock of a dead run in the way and nothing half made. */
async function open(options: UpdatesOptions, text: string): Promise<Opened> {
  const { context, stackName, docker } = options;
  const stack = openStack(context, stackName);
  await unlocked(options, stack);
  // What openStack wrote has the keys that Pulumi made.
  const merged = mergeStackFile({ name: stack.committed.name, text }, readFileSync(stack.configFile, "utf8"));
  writePrivate(stack.configFile, merged);
  const env = Object.fromEntries(
    Object.entries({ ...pulumiEnv(context, stack), ...ENV }).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    ),
  );
  await settlePending(context, {
    engine: { docker },
    stack,
    pulumi: pulumiFor(context, stack, { env, color: false }),
  });
  return { stack, env };
}

/** An administrator's run, or an update of ours that outlived us, comes to its end first. */
async function unlocked({ context, patienceMs }: UpdatesOptions, stack: Stack): Promise<void> {
  for (let waited = 0; ; waited += 1_000) {
    try {
      return clearLocks(context, stack, false);
    } catch (error) {
      if (!(error instanceof Fault) || waited >= patienceMs) throw error;
      await sleep(1_000, undefined, { signal: context.signal });
    }
  }
}

/**
 * Without the look-ups that the API makes around each update, which are a run of Pulumi each: the stack is there, and
 * nobody reads its outputs or its history. (With secrets, a look at that would write the state's salt into the checkout's
 * stack file.)
 */
async function select(
  context: Context,
  stack: Stack,
  { env: envVars, pulumi: pulumiCommand }: { env: Record<string, string>; pulumi: PulumiCommand },
): Promise<PulumiStack> {
  const workspace = await LocalWorkspace.create({ workDir: context.root, envVars, pulumiCommand });
  const quiet = {
    selectStack: async () => undefined,
    stackOutputs: async () => ({}),
  };
  const selected = await PulumiStack.select(stack.name, Object.assign(workspace, quiet));
  return Object.assign(selected, { info: async () => undefined });
}

/** Asks at the first call alone; a failure is asked again. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= ask().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

function hear({ diagnosticEvent }: EngineEvent, heard: string[]): void {
  if (diagnosticEvent?.severity === "error") heard.push(diagnosticEvent.message.trim());
}

function progressOf(event: EngineEvent): Progress | undefined {
  const found = (
    [
      ["running", event.resourcePreEvent],
      ["done", event.resOutputsEvent],
      ["failed", event.resOpFailedEvent],
    ] as const
  ).find(([, one]) => one !== undefined);
  if (!found?.[1]) return undefined;
  const { urn, op } = found[1].metadata;
  return { urn, op, state: found[0] };
}

/** Without its cause: all of Pulumi's output is in that, and what matters of it was logged. */
function asRefusal(said: string, error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const fault = error instanceof Fault ? error : explainFailure("pulumi up", said, REMEDY);
  if (/the directory at \S+ doesn't answer/.test(said))
    return new Refusal("update-failed", `The directory doesn't answer. ${REMEDY}`);
  if (said.includes(CHANGED_SINCE))
    return new Refusal(
      "needs-administrator",
      "The stack isn't what its config and code say, so an update would change more than this mailbox. An administrator must run `npm run up` first.",
    );
  if (TAKEOVER.test(said))
    return new Refusal(
      "needs-administrator",
      "The name, or an address, was somebody's whose mail is still kept. An administrator can give it away: the operator's log says how.",
    );
  const detail =
    fault.remedy === REMEDY ? `The update failed. ${REMEDY}` : `${fault.message} ${fault.remedy}`;
  return new Refusal("update-failed", detail);
}
