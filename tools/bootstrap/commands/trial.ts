import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Trip, tripThrough } from "../../trial/round-trip.ts";
import type { Context } from "../context.ts";
import { Fault } from "../fault.ts";
import { readOutput } from "../session.ts";
import { checkStackName } from "../stack-file.ts";
import { trialConfig } from "../trial-config.ts";

export interface TrialOptions {
  readonly stack: string;
  /** The stack to be like. */
  readonly like: string | undefined;
  /** Send a mail through the running trial instead. */
  readonly mail: boolean;
}

/** Writes a trial's stack file, or sends a mail through the trial that runs. */
export async function trial(context: Context, { stack, like, mail }: TrialOptions): Promise<void> {
  const name = checkStackName(stack);
  if (!/^pr-[0-9]+$/.test(name)) {
    throw new Fault(`"${name}" is no trial's name.`, "Name it after the pull request: `-- --stack pr-12`.");
  }
  if (mail) return sendMail(context, name);
  const file = `Pulumi.${name}.yaml`;
  const model = like === undefined ? undefined : `Pulumi.${checkStackName(like)}.yaml`;
  if (model !== undefined && !existsSync(join(context.root, model)))
    throw new Fault(`There is no ${model}.`, "Name another stack, or leave out --like.");
  const text = model === undefined ? undefined : readFileSync(join(context.root, model), "utf8");
  writeFileSync(
    join(context.root, file),
    trialConfig(name, model === undefined || text === undefined ? undefined : { name: model, text }),
  );
  context.say.done(file, model === undefined ? "two people" : `like ${model}, on this machine alone`);
}

async function sendMail(context: Context, name: string): Promise<void> {
  const trip = Trip.safeParse(await readOutput(context, name, "summary"));
  if (!trip.success)
    throw new Fault("The trial has no output `summary` that this command knows.", "Run `npm run up` once.");
  const { from, to, milliseconds } = await tripThrough(trip.data, {
    subject: `trial ${randomUUID()}`,
    patienceMs: 60_000,
    signal: context.signal,
  });
  context.say.done(`a mail from ${from} was read by ${to}`, `after ${milliseconds} ms`);
}
