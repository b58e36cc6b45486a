/** What becomes of the DKIM keys in this update: the last one's outputs and a look at the name servers, then the rules. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { missingAt, system } from "../../components/providers/record-seen/crud.ts";
import type { MailModel } from "../model.ts";
import type { PriorOutputs } from "../prior.ts";
import {
  DkimState,
  type KeyRole,
  type PublishedRecord,
  planRotation,
  type RotationPlan,
  selectorOf,
} from "./rotation.ts";

/** Whether every name server of the zone has the record. */
type IsSeen = (record: PublishedRecord) => Promise<boolean>;

const isSeen: IsSeen = async ({ zone, name, value }) => {
  const missing = await missingAt({ zone, name, value, servers: [], patienceSeconds: 0 }, system);
  return missing.length === 0;
};

/** Stacks of before there was this output had one key, the first. */
const Older = z.object({ summary: z.object({ signing: z.array(z.object({ selector: z.string() })) }) });

/** What the last update left of keys. Throws when it can't be read: a key could be lost by a guess. */
export function priorKeys(outputs: PriorOutputs): DkimState | undefined {
  if (outputs.dkim !== undefined) {
    const state = DkimState.safeParse(outputs.dkim);
    if (!state.success)
      throw new Error(`the stack output "dkim" can't be read: ${z.prettifyError(state.error)}`);
    return state.data;
  }
  const older = Older.safeParse(outputs);
  if (!older.success) return undefined;
  const ed25519 = older.data.summary.signing.some(({ selector }) => selector === selectorOf(1, "ed25519"));
  const signs = { key: 1, role: "signs" as const, ed25519, records: [] };
  return { phase: "steady", selector: selectorOf(1), keys: [signs] };
}

export interface PlanArgs {
  readonly outputs: PriorOutputs;
  /** False where an update is to change nothing but what it was asked for. */
  readonly tidies: boolean;
  now(): Date;
}

/** Plans, and says what it does. Throws a `pulumi.RunError` with the remedy. */
export async function planDkim(model: MailModel, args: PlanArgs, look = isSeen): Promise<RotationPlan> {
  const { rotate: wanted, ed25519, keepDays } = model.dkim;
  const { outputs, tidies } = args;
  try {
    const prior = priorKeys(outputs);
    const seen = !waitsForPeople(model) || (tidies && (await isEntered(wanted, prior, look)));
    const plan = planRotation({ wanted, ed25519, keepDays, prior, seen, tidies, now: args.now() });
    const told = tell(plan, prior);
    if (told.length > 0) await pulumi.log.info(`DKIM: ${told.join("; ")}`);
    return plan;
  } catch (error) {
    throw new pulumi.RunError(error instanceof Error ? error.message : String(error));
  }
}

/** Where nobody publishes for us, another key signs only when somebody has entered its records. */
const waitsForPeople = ({ dns, dkim }: MailModel): boolean => dns.provider === "none" && dkim.patience > 0;

async function isEntered(wanted: number, prior: DkimState | undefined, look: IsSeen): Promise<boolean> {
  const announced = prior?.keys.find(({ key, role }) => key === wanted && role === "announced");
  if (announced === undefined || announced.records.length === 0) return false;
  return (await Promise.all(announced.records.map(look))).every(Boolean);
}

/** What is new or goes on, for a person. Pure. */
export function tell({ keys, removed }: RotationPlan, prior: DkimState | undefined): string[] {
  if (prior === undefined) return [];
  const before = (key: number): KeyRole | undefined => prior.keys.find((known) => known.key === key)?.role;
  return [
    ...keys.flatMap(({ key, role, until }) => {
      const selector = selectorOf(key);
      if (role === "announced")
        return [
          `${prior.selector} signs until the records of ${selector} are seen: enter them, then run an update`,
        ];
      if (role === "signs" && before(key) !== "signs")
        return [`${selector} is published, and signs as soon as every name server has it`];
      return role === "retired" ? [`${selector} signs no more; its record stays until ${until}`] : [];
    }),
    ...removed.map((key) => `the record of ${selectorOf(key)} goes with this update`),
  ];
}
