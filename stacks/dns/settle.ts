/** The model with the records as they will be, or one error with everything that is wrong with them. */
import * as pulumi from "@pulumi/pulumi";
import type { MailModel } from "../model.ts";
import type { HeldRecord } from "./checks.ts";
import { describeFindings } from "./findings.ts";
import { askResolver, heldRecords } from "./look.ts";
import { findFaults, mergeHeld } from "./preview.ts";

/** Checks the records before any resource is declared, so that a wrong one gets past no preview. */
export async function settleRecords(
  model: MailModel,
  token: pulumi.Output<string> | undefined,
): Promise<MailModel> {
  const held = model.dns.provider === "gandi" ? await readZones(model, token) : undefined;
  const settled = { ...model, records: mergeHeld(model, held ?? []) };
  // A stack for development has a name server of its own: the world's knows nothing of it.
  const resolver = model.dns.provider === "dev" ? undefined : askResolver();
  const findings = await findFaults(settled, held, resolver);
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    const count = `${findings.length} ${findings.length === 1 ? "finding" : "findings"}`;
    throw new pulumi.RunError(`DNS has ${count}; nothing was changed:\n${describeFindings(findings)}`);
  }
  if (findings.length > 0) await pulumi.log.warn(`DNS:\n${describeFindings(findings)}`);
  return settled;
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
