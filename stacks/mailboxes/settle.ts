/** The plan of the mailboxes, from the last update's outputs, before any resource is declared. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { Basis } from "../basis.ts";
import { describeProblems } from "../check-config.ts";
import type { PriorOutputs } from "../prior.ts";
import type { StackConfig } from "../schema.ts";
import { countFormer, FormerHolders } from "./former.ts";
import { Mailboxes, type MailboxPlan, type MailboxRecord, planMailboxes, tellMailboxes } from "./plan.ts";

export interface SettleMailboxes {
  /** Of the last update. */
  readonly outputs: PriorOutputs;
  /** False where an update is to change nothing but what it was asked for. */
  readonly tidies: boolean;
  now(): Date;
}

/** Plans, and says what is new. Throws a `pulumi.RunError` with everything that is wrong, and the remedies. */
export async function settleMailboxes(config: StackConfig, args: SettleMailboxes): Promise<MailboxPlan> {
  const prior = priorMailboxes(args.outputs);
  const today = args.now().toISOString().slice(0, 10);
  const plan = planMailboxes({ config, prior, today, tidies: args.tidies });
  if ("problems" in plan)
    throw new pulumi.RunError(describeProblems(`Pulumi.${pulumi.getStack()}.yaml`, plan.problems));
  const told = tellMailboxes(plan, prior);
  if (told.length > 0) await pulumi.log.info(`Mailboxes: ${told.join("; ")}`);
  return plan;
}

/** How many people had each uid before, from the last update's outputs. */
export function settleFormer(config: StackConfig, outputs: PriorOutputs): FormerHolders {
  return countFormer({
    uids: Object.keys(config.users),
    before: Object.keys(Basis.safeParse(outputs.basis).data?.people ?? {}),
    prior: readOutput(outputs, "formerHolders", FormerHolders),
    mailboxes: priorMailboxes(outputs) ?? [],
  });
}

const priorMailboxes = (outputs: PriorOutputs): readonly MailboxRecord[] | undefined =>
  readOutput(outputs, "mailboxes", Mailboxes);

/** What the last update left; undefined where none kept account yet. What can't be read is no reason to guess. */
function readOutput<T>(outputs: PriorOutputs, name: string, schema: z.ZodType<T>): T | undefined {
  const value = outputs[name];
  if (value === undefined) return undefined;
  const known = schema.safeParse(value);
  if (known.success) return known.data;
  throw new pulumi.RunError(`the stack output "${name}" can't be read: ${z.prettifyError(known.error)}`);
}
