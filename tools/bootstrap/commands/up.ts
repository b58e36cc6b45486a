import { join } from "node:path";
import { z } from "zod";
import { zoneFile } from "../../../stacks/zone-file.ts";
import { dnsNotes } from "../../dns-notes.ts";
import { renderShort } from "../../doctor/render.ts";
import { tidyZones } from "../../snapshots.ts";
import { type Absent, describeAbsent, findAbsent } from "../absent.ts";
import { limitAllAgain } from "../backup/disk-limit.ts";
import { checkStackConfig } from "../check-config.ts";
import { readCheckpoint } from "../checkpoint.ts";
import type { Context } from "../context.ts";
import type { Engine } from "../engine.ts";
import { Fault, runAgain } from "../fault.ts";
import { examineHost } from "../host-boot.ts";
import { machineOf } from "../machine-state.ts";
import { openSession, readConfig, type Session, type SessionOptions, settlePending } from "../session.ts";
import { writePrivate } from "../stack.ts";
import { stackEngine } from "../stack-engine.ts";
import { renderSummary, Summary, trusted } from "../summary.ts";
import { examineStack } from "./doctor.ts";

const QUIET = ["--yes", "--skip-preview", "--suppress-outputs"];
const UPDATE = ["up", ...QUIET];
const REFRESH = ["refresh", ...QUIET];

/** Only what is silent makes an update that is done last as long. */
const EXAMINATION_MS = 5_000;

export interface UpOptions extends SessionOptions {
  /** Compare everything with host, directory and DNS first. */
  readonly refresh: boolean;
}

/** Makes the stack true and says how to use it. */
export async function up(context: Context, options: UpOptions): Promise<void> {
  const session = await openSession(context, options, { purpose: "update", check: checkStackConfig });
  const { stack, pulumi } = session;
  await update(context, session, options.refresh);
  context.say.done(`stack ${stack.name}`, "up to date");
  const outputs: unknown = JSON.parse(
    await pulumi.query(["stack", "output", "--json", "--show-secrets", "--stack", stack.name]),
  );
  const parsed = Summary.safeParse((outputs as { summary?: unknown }).summary);
  if (!parsed.success) {
    throw new Fault(
      "The stack is up, but its output `summary` is not what this command knows.",
      z.prettifyError(parsed.error),
    );
  }
  const { domain, records } = parsed.data;
  const files = { ca: join(stack.folder, "ca.pem"), records: join(stack.folder, "records.zone") };
  const ca = trusted(parsed.data);
  if (ca) writePrivate(files.ca, ca);
  writePrivate(files.records, zoneFile(domain, records));
  for (const line of await tidyZones(await readConfig(session))) context.say.line(line);
  context.say.line(renderSummary(parsed.data, files, dnsNotes(outputs, new Date())));
  const seen = [
    examineStack((outputs as { summary?: unknown }).summary, { budgetMs: EXAMINATION_MS }),
    examineHost(context, stack),
  ];
  context.say.line(renderShort((await Promise.all(seen)).flat(), stack.name));
}

/** Brings the stack up to date, in as many deployments as that takes. */
async function update(context: Context, session: Session, refresh: boolean): Promise<void> {
  const { stack, pulumi } = session;
  const deploy = (compare: boolean) =>
    pulumi.deploy([...UPDATE, ...(compare ? ["--refresh"] : [])], runAgain("up", stack));
  const { engine = await bringMachine(context, session, { deploy, refresh }) } = session;
  // First: the update may change a limit, or take it away.
  const limited = await limitAllAgain(engine.docker, stack.prefix);
  if (limited.length > 0) context.say.done("disks limited again after a restore", limited.join(", "));
  const absent = await forgetAbsent(context, engine, session);
  if (!session.engine && absent.length === 0 && !refresh) return;
  context.say.doing(
    `updating the stack ${stack.name}`,
    "minutes the first time, seconds when nothing changed",
  );
  await deploy(refresh);
  if (refresh || !absent.some(({ kind }) => kind === "volume")) return;
  context.say.doing("comparing with directory and DNS, whose data may have gone with a volume");
  await deploy(true);
}

interface Deployment {
  readonly deploy: (compare: boolean) => Promise<void>;
  readonly refresh: boolean;
}

/** Makes or starts the VM, with all that the stack has on it. What an older one had may be missing there after that. */
async function bringMachine(context: Context, session: Session, { deploy, refresh }: Deployment) {
  const { stack, pulumi } = session;
  // Its engine can't be compared with anything yet; what it consists of can.
  const targets = refresh ? machineOf(readCheckpoint(stack)).flatMap((urn) => ["--target", urn]) : [];
  if (targets.length > 0) await pulumi.deploy([...REFRESH, ...targets], runAgain("up", stack));
  context.say.doing(`updating the stack ${stack.name} and its VM`, "several minutes the first time");
  await deploy(false);
  const engine = await stackEngine(context, stack, "use");
  await settlePending(context, { ...session, engine });
  return engine;
}

/**
 * Has Pulumi look at what the engine lacks, and only at that: a whole refresh would ask a directory that may be
 * among it. Tells what it was.
 */
async function forgetAbsent(
  context: Context,
  engine: Engine,
  { stack, pulumi }: Session,
): Promise<readonly Absent[]> {
  const absent = await findAbsent(engine.docker, stack);
  if (absent.length === 0) return absent;
  context.say.done("changed behind Pulumi's back", describeAbsent(absent));
  const targets = absent.flatMap(({ urn }) => ["--target", urn]);
  await pulumi.deploy([...REFRESH, ...targets], runAgain("up", stack));
  return absent;
}
