/** What `pulumi up` runs: config in, stack outputs out. */
import * as pulumi from "@pulumi/pulumi";
import { type Basis, basisOf, keyOf, missingNow, othersChanged, refusalOf, sharedOf } from "./basis.ts";
import { boxOwner } from "./box-owner.ts";
import { certificateFiles } from "./certificate-files.ts";
import { loadConfig } from "./config.ts";
import { followDeclared, onceMade } from "./declared.ts";
import { planDkim, priorKeys } from "./dkim/plan.ts";
import type { DkimState } from "./dkim/rotation.ts";
import { DnsState } from "./dns/move.ts";
import { settleRecords } from "./dns/settle.ts";
import { DIRECTORY_TYPE, directoryDomain, domainRefusal } from "./first-domain.ts";
import { knownAccess } from "./host-plan.ts";
import { planImages } from "./image-plans.ts";
import { mailStack } from "./mail-stack.ts";
import type { FormerHolders } from "./mailboxes/former.ts";
import type { MailboxRecord } from "./mailboxes/plan.ts";
import { settleFormer, settleMailboxes } from "./mailboxes/settle.ts";
import { buildModel } from "./model.ts";
import { findOperatorPlace } from "./operator-place.ts";
import { readPrior, readResources, readUrns } from "./prior.ts";
import { requireProcessors } from "./processors.ts";
import { projectCode } from "./project-code.ts";
import { reachHost } from "./reach-host.ts";
import type { HostAccess } from "./schema-host.ts";
import type { Summary } from "./summary.ts";
import { zoneFile } from "./zone-file.ts";

export interface Program {
  /** Endpoints, people with their initial passwords, and records. Secret: see `pulumi stack output --show-secrets`. */
  readonly summary: pulumi.Output<Summary>;
  /** Which key signs, and which others are published; the next update goes on from it. */
  readonly dkim: pulumi.Output<DkimState | undefined>;
  /** Who has mail on the host, and until when that of people who gave it up is kept. */
  readonly mailboxes: pulumi.Output<readonly MailboxRecord[]>;
  /** How many people had a uid before who has it now; the next update goes on from it. */
  readonly formerHolders: FormerHolders;
  /** The TTL of the records, and until when others may remember older ones for longer. */
  readonly dns: pulumi.Output<DnsState | undefined>;
  /** What this update makes the stack of; an update for one person goes on from it. */
  readonly basis: pulumi.Output<Basis>;
  /** The records of the domains as a zone file, for zones that are kept by hand. */
  readonly records: pulumi.Output<string[]>;
}

/** Declares the mail system that `Pulumi.<stack>.yaml` asks for. `now`: what has had its time is told by it. */
export async function program({ now }: { now: () => Date }): Promise<Program> {
  const { config, gandiToken, backupSecrets, eabKey } = loadConfig();
  const names = { project: pulumi.getProject(), stack: pulumi.getStack() };
  const outputs = await readPrior();
  // An update that broke off leaves no outputs, but what it made.
  const begun =
    outputs.summary === undefined ? directoryDomain(await readResources(DIRECTORY_TYPE)) : undefined;
  refuse(domainRefusal(outputs.summary, config.domain, begun));
  const person = updateFor(process.env);
  const basis = basisOf(config, await projectCode(process.cwd()));
  const present = await readUrns();
  if (person !== undefined) {
    const missing = missingNow(outputs.basis, present);
    refuse(refusalOf(person.uid, [...othersChanged(person, outputs.basis, basis), ...missing]));
  }
  const tidies = person === undefined;
  const settling = {
    gandiToken,
    outputs,
    leavesDns: !tidies,
    refreshes: process.env.SEMAIL_REFRESHES !== undefined,
    now,
  };
  const { model, dns } = await settleRecords(buildModel(config, names), settling);
  const plan = await settleMailboxes(config, { outputs, tidies, now });
  const formerHolders = settleFormer(config, outputs);
  const pair = await certificateFiles(model, now());
  const reach = (access: HostAccess) => reachHost(model, access);
  const access = knownAccess(model.host);
  // Before the first resource, where there is a machine already.
  const engine = access && (await reach(access));
  await requireProcessors({ model, engine });
  const plans = await planImages(model);
  const keys = await planDkim(model, { outputs, tidies, now });
  const operatorPlace = model.portal.enabled
    ? await findOperatorPlace(process.env, process.cwd(), names.stack)
    : undefined;
  const declared = followDeclared();
  const { summary, dkim, mailboxes, settled } = mailStack({
    ...{ model, engine, reach, gandiToken, backupSecrets, eabKey, pair },
    ...{ mailboxes: plan, formerHolders, present },
    ...{ plans, operatorPlace, dkim: keys, owner: boxOwner(model.prefix, person?.uid) },
  });
  const everybodys = sharedOf(declared);
  const made = { ...basis, resources: everybodys.map(keyOf) };
  const zone = pulumi.unsecret(summary).apply((all) => zoneFile(all.domain, all.records).split("\n"));
  const shared =
    person === undefined
      ? { dkim, dns: settled.apply(dns) }
      : { dkim: pulumi.output(priorKeys(outputs)), dns: pulumi.output(DnsState.safeParse(outputs.dns).data) };
  return {
    ...{ summary, mailboxes, formerHolders, records: zone },
    ...shared,
    basis: onceMade(everybodys, made),
  };
}

/** For whom alone the update is, which the portal asked for: it leaves everything else as it is. */
function updateFor({ SEMAIL_PERSON: uid, SEMAIL_PERSON_ENTRIES: entries = "" }: NodeJS.ProcessEnv) {
  return uid === undefined ? undefined : { uid, entries: entries.split(",") };
}

/** Throws a `pulumi.RunError` where there is something to refuse. */
function refuse(refusal: string | undefined): void {
  if (refusal !== undefined) throw new pulumi.RunError(refusal);
}
