import { join } from "node:path";
import { z } from "zod";
import { zoneFile } from "../../../stacks/zone-file.ts";
import { renderShort } from "../../doctor/render.ts";
import { tidyZones } from "../../snapshots.ts";
import { describeAbsent, findAbsent } from "../absent.ts";
import { checkStackConfig } from "../check-config.ts";
import type { Context } from "../context.ts";
import { Fault } from "../fault.ts";
import { openSession, type Session, type SessionOptions } from "../session.ts";
import { writePrivate } from "../stack.ts";
import { renderSummary, Summary, trusted } from "../summary.ts";
import { examineStack } from "./doctor.ts";

const REMEDY = "Correct it, then run `npm run up` again: it goes on from where it stopped.";

const UPDATE = ["up", "--yes", "--skip-preview", "--suppress-outputs"];

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
  const lost = await forgetAbsent(context, session);
  context.say.doing(
    `updating the stack ${stack.name}`,
    "minutes the first time, seconds when nothing changed",
  );
  await pulumi.deploy([...UPDATE, ...(options.refresh ? ["--refresh"] : [])], REMEDY);
  if (lost && !options.refresh) {
    context.say.doing("comparing with directory and DNS, whose data may have gone with a volume");
    await pulumi.deploy([...UPDATE, "--refresh"], REMEDY);
  }
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
  context.say.line(renderSummary(parsed.data, files));
  context.say.line(
    renderShort(await examineStack((outputs as { summary?: unknown }).summary, { budgetMs: EXAMINATION_MS })),
  );
}

/** The stack's config with its secrets, as JSON. */
const readConfig = ({ pulumi, stack }: Session): Promise<string> =>
  pulumi.query([
    ...["config", "--json", "--show-secrets", "--stack", stack.name, "--config-file", stack.configFile],
  ]);

/**
 * Has Pulumi look at what the engine lacks, and only at that: a whole refresh would ask a directory that may be
 * among it. Tells whether data is gone.
 */
async function forgetAbsent(context: Context, { engine, stack, pulumi }: Session): Promise<boolean> {
  const absent = await findAbsent(engine.docker, stack);
  if (absent.length === 0) return false;
  context.say.done("changed behind Pulumi's back", describeAbsent(absent));
  const targets = absent.flatMap(({ urn }) => ["--target", urn]);
  await pulumi.deploy(["refresh", "--yes", "--skip-preview", "--suppress-outputs", ...targets], REMEDY);
  return absent.some(({ kind }) => kind === "volume");
}
