/** A report as Markdown that GitHub and GitLab both show. Pure. */
import { type Item, isEmpty, isRefused, type Loss, type Report, type Verb } from "./report.ts";

/** By this the comment is found again, to be written anew instead of added to. Invisible. */
export const marker = (stack: string): string => `<!-- semail-preview:${stack} -->`;

/** GitHub takes 65,536 characters, GitLab 1,000,000. */
export const LIMIT = 65_000;
const MAX_ROWS = 30;
const MAX_CHARACTERS = 300;
const MAX_MESSAGE = 1_500;
const MAX_MESSAGES = 5;

const SIGNS: Readonly<Record<Verb, string>> = {
  added: "➕",
  removed: "➖",
  changed: "✏️",
  replaced: "🔁",
};
const FATES: Readonly<Record<Loss["fate"], string>> = {
  refused: "⛔ protected: the update is refused",
  kept: "kept on the host, no longer the stack's",
  lost: "🔥 **deleted for good**",
};

export interface MarkdownOptions {
  readonly stack: string;
  /** Where more is told. */
  readonly link?: string | undefined;
  /** Texts that must not be shown, whatever says them. */
  readonly secrets: readonly string[];
}

/** The whole comment. */
export function markdown(report: Report, options: MarkdownOptions): string {
  const { stack, link, secrets } = options;
  const lines = [
    marker(stack),
    `### Preview of ${code(stack)}: ${headline(report)}`,
    ...messages("❌ Refused", report.errors),
    ...lossLines(report.losses),
    ...messages("⚠️ Warnings", report.warnings),
    ...messages("ℹ️ Notes", report.notes),
    ...section("People", report.people),
    ...section("DNS records", report.records),
    ...section("Containers", report.containers),
    ...(isRefused(report) && !isEmpty(report)
      ? ["", "Pulumi stopped there: more may change than is told here."]
      : []),
    ...folded("Images, keys, volumes, networks", report.others),
    ...(link ? ["", `[Log](${link})`] : []),
    "",
  ];
  const shown = secrets
    .filter((secret) => secret.length >= 6)
    .reduce((text, secret) => text.replaceAll(secret, "[secret]"), lines.join("\n"));
  return shown.length <= LIMIT ? shown : `${shown.slice(0, LIMIT)}\n\n… cut: too long for a comment.\n`;
}

/** The first line: what a reader in a hurry has to know. */
function headline(report: Report): string {
  const lost = report.losses.filter(({ fate }) => fate === "lost").length;
  const parts = [
    ...(isRefused(report) ? ["**it would fail**"] : []),
    ...(lost > 0 ? [`**${lost} deleted for good**`] : []),
    ...counted(report.people, "person", "people"),
    ...counted(report.records, "record", "records"),
    ...counted(report.containers, "container", "containers"),
  ];
  if (parts.length > 0) return parts.join(" · ");
  return isEmpty(report) ? "no changes" : "nothing that people notice";
}

function counted(items: readonly Item[], one: string, many: string): string[] {
  if (items.length === 0) return [];
  const verbs: Verb[] = ["added", "removed", "changed", "replaced"];
  const counts = verbs.flatMap((verb) => {
    const count = items.filter((item) => item.verb === verb).length;
    return count > 0 ? [`${count} ${verb}`] : [];
  });
  return [`${items.length} ${items.length === 1 ? one : many} (${counts.join(", ")})`];
}

/** Text in which nothing is Markdown, HTML or the name of somebody to call. */
export function code(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ").trim();
  const clipped = line.length <= MAX_CHARACTERS ? line : `${line.slice(0, MAX_CHARACTERS)}…`;
  const fence = "`".repeat(longestRun(clipped) + 1);
  const gap = clipped.startsWith("`") || clipped.endsWith("`") || clipped === "" ? " " : "";
  return `${fence}${gap}${clipped}${gap}${fence}`;
}

const longestRun = (text: string): number =>
  Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));

function rows(items: readonly Item[]): string[] {
  const shown = items.slice(0, MAX_ROWS).map(({ verb, name, details }) => {
    const more = details.length > 0 ? ` ${code(details.join(", "))}` : "";
    return `- ${SIGNS[verb]} ${verb} ${code(name)}${more}`;
  });
  const rest = items.length - shown.length;
  return rest > 0 ? [...shown, `- … and ${rest} more`] : shown;
}

function section(title: string, items: readonly Item[]): string[] {
  return items.length === 0 ? [] : ["", `**${title}**`, "", ...rows(items)];
}

/** What few readers want to see. */
function folded(title: string, items: readonly Item[]): string[] {
  if (items.length === 0) return [];
  const summary = `<details><summary>${title} (${items.length})</summary>`;
  return ["", summary, "", ...rows(items), "", "</details>"];
}

function lossLines(losses: readonly Loss[]): string[] {
  if (losses.length === 0) return [];
  const shown = losses.slice(0, MAX_ROWS).map(({ name, fate }) => `- ${code(name)}: ${FATES[fate]}`);
  const rest = losses.length - shown.length;
  return ["", "**Data that goes**", "", ...shown, ...(rest > 0 ? [`- … and ${rest} more`] : [])];
}

function messages(title: string, texts: readonly string[]): string[] {
  if (texts.length === 0) return [];
  const blocks = texts.slice(0, MAX_MESSAGES).flatMap((text) => {
    const clipped = text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}…`;
    const fence = "`".repeat(Math.max(3, longestRun(clipped) + 1));
    return ["", `${fence}text`, clipped.replaceAll(/[^\P{Cc}\n]/gu, ""), fence];
  });
  const rest = texts.length - MAX_MESSAGES;
  return ["", `**${title}**`, ...blocks, ...(rest > 0 ? ["", `… and ${rest} more`] : [])];
}
