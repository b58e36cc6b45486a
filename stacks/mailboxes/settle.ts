/** The plan of the mailboxes, from the last update's outputs, before any resource is declared. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { describeProblems } from "../check-config.ts";
import type { PriorOutputs } from "../prior.ts";
import type { StackConfig } from "../schema.ts";
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

/** What the last update left; undefined where none kept account yet. What can't be read is no reason to guess. */
function priorMailboxes({ mailboxes }: PriorOutputs): readonly MailboxRecord[] | undefined {
  if (mailboxes === undefined) return undefined;
  const known = Mailboxes.safeParse(mailboxes);
  if (known.success) return known.data;
  throw new pulumi.RunError(`the stack output "mailboxes" can't be read: ${z.prettifyError(known.error)}`);
}
