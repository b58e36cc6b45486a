import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { markdown } from "../../preview/markdown.ts";
import { isEmpty, isRefused, type Report, report } from "../../preview/report.ts";
import { PreviewJson } from "../../preview/schema.ts";
import { type Absent, describeAbsent, findAbsent } from "../absent.ts";
import { checkStackConfig } from "../check-config.ts";
import type { Context } from "../context.ts";
import { Fault } from "../fault.ts";
import { openSession, type Session, type SessionOptions } from "../session.ts";

export interface PreviewOptions extends SessionOptions {
  readonly diff: boolean;
  readonly refresh: boolean;
  /** The file of the Markdown; undefined shows Pulumi's own words. */
  readonly comment: string | undefined;
  readonly expectNoChanges: boolean;
}

/** Shows what `up` would change; answers the exit code. */
export async function preview(context: Context, options: PreviewOptions): Promise<number> {
  if (options.expectNoChanges && options.comment === undefined)
    throw new Fault("--expect-no-changes goes with --comment.", "Name the file that shall say what changes.");
  const session = await openSession(context, options, { purpose: "preview", check: checkStackConfig });
  const { engine, stack, pulumi } = session;
  // Of a VM that isn't there nothing can be compared.
  const refresh = options.refresh && engine !== undefined;
  const flags = refresh ? ["--refresh"] : [];
  const absent = engine ? await findAbsent(engine.docker, stack) : [];
  if (options.comment !== undefined)
    return comment(context, session, options.comment, { ...options, refresh, absent });
  await pulumi.deploy(
    ["preview", ...(options.diff ? ["--diff"] : []), ...flags],
    "Correct it, then run this again.",
  );
  if (absent.length > 0)
    context.say.line(`! Behind Pulumi's back: ${describeAbsent(absent)}. \`npm run up\` puts it right.`);
  return 0;
}

/** Writes the preview as a comment; fails as the update would. */
async function comment(
  context: Context,
  { stack, pulumi }: Session,
  file: string,
  { refresh, expectNoChanges, absent }: PreviewOptions & { absent: readonly Absent[] },
): Promise<number> {
  const found = readReport(await pulumi.previewJson(refresh ? ["--refresh"] : []));
  const missing = absent.length > 0 ? [`Behind Pulumi's back: ${describeAbsent(absent)}`] : [];
  const told: Report = { ...found, warnings: [...found.warnings, ...missing] };
  const { GANDI_PERSONAL_ACCESS_TOKEN: token, PULUMI_CONFIG_PASSPHRASE: passphrase } = context.env;
  const secrets = [token, passphrase].flatMap((secret) => secret ?? []);
  const text = markdown(told, { stack: stack.name, link: runLink(context.env), secrets });
  writeFileSync(resolve(context.root, file), text);
  context.say.line(`\n${text}`);
  if (isRefused(told)) return 1;
  return expectNoChanges && !(isEmpty(told) && absent.length === 0) ? 2 : 0;
}

function readReport(json: string): Report {
  const parsed = PreviewJson.safeParse(JSON.parse(json));
  if (parsed.success) return report(parsed.data);
  throw new Fault(
    "Pulumi's preview has a form that this command does not know.",
    "Take the Pulumi version that the README asks for, or report it with `pulumi version`.",
  );
}

/** Where the run's log is, on GitHub and GitLab. */
function runLink({ GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, CI_JOB_URL }: Context["env"]) {
  if (GITHUB_SERVER_URL && GITHUB_REPOSITORY && GITHUB_RUN_ID)
    return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}`;
  return CI_JOB_URL;
}
