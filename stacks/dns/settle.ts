/** The model with the records as they will be, or one error with everything that is wrong with them. */
import { RECORD_TYPE } from "@pulumi/gandi/diff.ts";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { MailModel } from "../model.ts";
import { type PriorOutputs, readResources } from "../prior.ts";
import { describeFindings, type Finding } from "./findings.ts";
import { checkHandOver } from "./hand-over.ts";
import type { HeldRecord } from "./held.ts";
import { planLeaving } from "./leaving.ts";
import { askResolver, heldRecords } from "./look.ts";
import { DnsState, planMove } from "./move.ts";
import { findFaults, mergeHeld, unchangedRecords } from "./preview.ts";

export interface SettleArgs {
  readonly gandiToken: pulumi.Output<string> | undefined;
  /** Of the last update. */
  readonly outputs: PriorOutputs;
  /** Whether the update is to change no record: what others did to the zones, or LiveDNS's silence, is no matter then. */
  readonly leavesDns: boolean;
  now(): Date;
}

export interface Settled {
  readonly model: MailModel;
  /** For the next update. */
  readonly dns: DnsState;
}

/** Checks the records before any resource is declared, so that a wrong one gets past no preview. */
export async function settleRecords(model: MailModel, args: SettleArgs): Promise<Settled> {
  const { gandiToken, outputs } = args;
  const unchanged = args.leavesDns ? unchangedRecords(model, publishedBefore(outputs)) : undefined;
  if (unchanged !== undefined) return leave({ ...model, records: unchanged }, args);
  const held = model.dns.provider === "gandi" ? await readZones(model, gandiToken) : undefined;
  const settled = { ...model, records: mergeHeld(model, held ?? []) };
  const { findings, notes, state } = planChange(settled, args);
  // A stack for development has a name server of its own, and nobody who remembers: the world knows nothing of it.
  const dev = model.dns.provider === "dev";
  const published = dev ? [] : await publishedNow();
  const found = await findFaults(settled, held, { resolver: dev ? undefined : askResolver(), published });
  const given = model.dns.provider === "none" ? checkHandOver(published, model.dns.changeNow) : [];
  await tell(dev ? found : [...found, ...given, ...findings]);
  if (!dev && notes.length > 0) await pulumi.log.info(`DNS: ${notes.join("; ")}`);
  return { model: settled, dns: state };
}

/** What it does to those who remember other records, and what the next update has to know. */
function planChange(model: MailModel, { outputs, now }: SettleArgs) {
  const { changeNow, ttl } = model.dns;
  const facts = { prior: DnsState.safeParse(outputs.dns).data, changeNow, now: now() };
  const move = planMove({ ...facts, ttl, records: model.records });
  const { left, ...leaving } = planLeaving({ ...facts, domains: model.domains, leaving: model.leaving });
  return {
    findings: [...move.findings, ...leaving.findings],
    notes: [...move.notes, ...leaving.notes],
    state: { ...move.state, ...(Object.keys(left).length === 0 ? {} : { left }) },
  };
}

/** Neither zones nor resolver are asked; the times that are remembered go on. */
const leave = (model: MailModel, args: SettleArgs): Settled => ({
  model,
  dns: planChange(model, args).state,
});

/** Of the last update's output `summary`. */
const Published = z.object({
  records: z.array(
    z.object({
      ...{ zone: z.string(), name: z.string(), type: z.string() },
      ...{ ttl: z.number(), values: z.array(z.string()), shared: z.boolean().optional() },
    }),
  ),
});

/** Of a Record in the stack's state. */
const Owned = z.object({
  ...{ zone: z.string(), name: z.string(), type: z.string(), ttl: z.number(), values: z.array(z.string()) },
});

/** The records that the stack has in its zones: the state knows it of updates, too, that didn't come to their end. */
async function publishedNow(): Promise<HeldRecord[]> {
  return (await readResources(RECORD_TYPE)).flatMap((outputs) => Owned.safeParse(outputs).data ?? []);
}

const publishedBefore = ({ summary }: PriorOutputs): HeldRecord[] =>
  (Published.safeParse(summary).data?.records ?? []).map(({ shared, ...record }) => ({
    ...record,
    ...(shared === undefined ? {} : { shared }),
  }));

/** Warns of what is doubtful. Throws a `pulumi.RunError` when something is wrong. */
async function tell(findings: readonly Finding[]): Promise<void> {
  if (findings.some(({ severity }) => severity === "error")) {
    const count = `${findings.length} ${findings.length === 1 ? "finding" : "findings"}`;
    throw new pulumi.RunError(`DNS has ${count}; nothing was changed:\n${describeFindings(findings)}`);
  }
  if (findings.length > 0) await pulumi.log.warn(`DNS:\n${describeFindings(findings)}`);
}

async function readZones(model: MailModel, token: pulumi.Output<string> | undefined): Promise<HeldRecord[]> {
  const plain = token && (await new Promise<string>((resolve) => void token.apply(resolve)));
  try {
    return await heldRecords(model.domains, {
      apiUrl: model.dns.apiUrl,
      ...(plain === undefined ? {} : { token: plain }),
    });
  } catch (error) {
    throw new pulumi.RunError(error instanceof Error ? error.message : String(error));
  }
}
