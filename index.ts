/** The Pulumi program: the mail system that `Pulumi.<stack>.yaml` asks for. */
import * as pulumi from "@pulumi/pulumi";
import { loadConfig } from "./stacks/config.ts";
import { settleRecords } from "./stacks/dns/settle.ts";
import { planImages } from "./stacks/image-plans.ts";
import { mailStack } from "./stacks/mail-stack.ts";
import { buildModel } from "./stacks/model.ts";
import { findOperatorPlace } from "./stacks/operator-place.ts";
import { zoneFile } from "./stacks/zone-file.ts";

// The SDK takes a stack trace for each of its promises, hundreds per resource, in case one leaks: two thirds of the
// time of a large preview. A wrong config is told by path, not by trace; who looks for a fault switches them on.
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS) Error.stackTraceLimit = 0;

const { config, gandiToken, backupSecrets, eabKey } = loadConfig();
const model = await settleRecords(
  buildModel(config, { project: pulumi.getProject(), stack: pulumi.getStack() }),
  gandiToken,
);

const operatorPlace = model.portal.enabled
  ? await findOperatorPlace(process.env, process.cwd(), pulumi.getStack())
  : undefined;

/** Endpoints, people with their initial passwords, and records. Secret: see `pulumi stack output --show-secrets`. */
export const { summary } = mailStack({
  model,
  plans: await planImages(model),
  gandiToken,
  backupSecrets,
  eabKey,
  operatorPlace,
});
/** The records of the domains as a zone file, for zones that are kept by hand. */
export const records = pulumi.unsecret(summary).apply((all) => zoneFile(all.domain, all.records).split("\n"));
