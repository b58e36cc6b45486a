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
import { checkLeaving } from "./leaving-checks.ts";
import { askResolver, heldRecords } from "./look.ts";
import { DnsState, planMove } from "./move.ts";
import { findFaults, mergeHeld, unchangedRecords } from "./preview.ts";

export interface SettleArgs {
  readonly gandiToken: pulumi.Output<string> | undefined;
  /** Of the last update. */
  readonly outputs: PriorOutputs;
  /** Whether the update is to change no record: what others did to the zones, or LiveDNS's silence, is no matter then. */
  readonly leavesDns: boolean;
  /** Whether the update compares with the zones first. */
  readonly refreshes: boolean;
  now(): Date;
}

export interface Settled {
  readonly model: MailModel;
  /** For the next update; asked when this one has done its work, since what it changed is remembered from then on. */
  readonly dns: () => DnsState;
}

/** Checks the records before any resource is declared, so that a wrong one gets past no preview. */
export async function settleRecords(model: MailModel, args: SettleArgs): Promise<Settled> {
  const { gandiToken, outputs } = args;
  const { provider, changeNow } = model.dns;
  const before = publishedBefore(outputs);
  const unchanged = args.leavesDns ? unchangedRecords(model, before) : undefined;
  if (unchanged !== undefined) return leave({ ...model, records: unchanged }, args, before);
  const held = provider === "gandi" ? await readZones(model, gandiToken) : undefined;
  const settled = { ...model, records: mergeHeld(model, held ?? []) };
  // A stack for development has a name server of its own, and nobody who remembers: the world knows nothing of it.
  const dev = provider === "dev";
  const published = dev ? [] : await publishedNow();
  const { findings, notes, state } = planChange(settled, { ...args, published, held });
  const found = await findFaults(settled, held, {
    ...{ resolver: dev ? undefined : askResolver(), published },
    refreshes: args.refreshes,
  });
  const given = provider === "none" ? checkHandOver(published, changeNow) : [];
  await tell(dev ? found : [...found, ...given, ...findings]);
  if (!dev && notes.length > 0) await pulumi.log.info(`DNS: ${notes.join("; ")}`);
  return { model: settled, dns: state };
}

interface ChangeArgs extends SettleArgs {
  readonly published: readonly HeldRecord[];
  readonly held: readonly HeldRecord[] | undefined;
}

/** What it does to those who remember other records, and what the next update has to know. */
function planChange(model: MailModel, { outputs, now, published, held }: ChangeArgs) {
  const { changeNow, ttl } = model.dns;
  const { domains, leaving, hostnames } = model;
  const plan = () => {
    const facts = { prior: DnsState.safeParse(outputs.dns).data, published, changeNow, now: now() };
    return {
      move: planMove({ ...facts, ttl, records: model.records }),
      left: planLeaving({ ...facts, domains, leaving, mx: hostnames.mx, held }),
    };
  };
  const { move, left } = plan();
  return {
    findings: [...move.findings, ...left.findings, ...checkLeaving(model, held)],
    notes: [...move.notes, ...left.notes],
    state: (): DnsState => {
      const then = plan();
      return {
        ...then.move.state,
        ...(Object.keys(then.left.left).length === 0 ? {} : { left: then.left.left }),
      };
    },
  };
}

/** Neither zones nor resolver are asked; the times that are remembered go on, and what they forbid is not done. */
async function leave(model: MailModel, args: SettleArgs, published: HeldRecord[]): Promise<Settled> {
  const { findings, state } = planChange(model, { ...args, published, held: undefined });
  const errors = findings.filter(({ severity }) => severity === "error");
  if (model.dns.provider !== "dev") await tell(errors);
  return { model, dns: state };
}

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
  declared: z.array(z.string()).optional(),
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
