/** The part of a notification that people read. Pure. */
import type { DsnFacts, Reported } from "./dsn.ts";
import { type Fate, NOTICES, type Notices } from "./notices.ts";

/** Worst first. */
const FATES: readonly Fate[] = ["failed", "expired", "delayed", "relayed", "delivered"];
const WIDTH = 76;

const fateOf = ({ action, expired }: Reported): Fate => (expired ? "expired" : action);

/** What the notification is called: after the worst that it tells. */
export function subjectOf({ language, recipients }: Pick<DsnFacts, "language" | "recipients">): {
  readonly sender: string;
  readonly subject: string;
} {
  const { sender, subject } = NOTICES[language];
  const worst = FATES.find((fate) => recipients.some((recipient) => fateOf(recipient) === fate));
  return { sender, subject: subject[worst === undefined || worst === "expired" ? "failed" : worst] };
}

/** What happened to whom, and what to do. */
export function explain(facts: DsnFacts): string {
  const { hostname, recipients, language, whole, until } = facts;
  const words = NOTICES[language];
  const paragraphs = FATES.flatMap((fate) => {
    const those = recipients.filter((recipient) => fateOf(recipient) === fate);
    if (those.length === 0) return [];
    const after = fate === "delayed" ? [wrap(words.delayed(dateOf(until, words)))] : [];
    return [wrap(words.heading[fate]), ...those.map((each) => recipientText(each, words)), ...after];
  });
  return [
    words.intro(hostname),
    ...paragraphs,
    words.others,
    words.attached[whole ? "message" : "header"],
    "",
  ].join("\r\n\r\n");
}

function recipientText({ address, action, expired, answer }: Reported, words: Notices): string {
  const { code, status, text, host } = answer;
  const said = [words.answer(host), `${code} ${status} ${text.replace(/\s+/g, " ")}`];
  const name = `<${address}>`;
  if (action === "delivered" || action === "relayed")
    return [name, ...indented([said.join(" ")])].join("\r\n");
  const told = expired ? "4.4.7" : status;
  const advice = words.advice.find(([pattern]) => pattern.test(told))?.[1] ?? "";
  return [name, ...indented(action === "failed" ? [...said, advice] : said)].join("\r\n");
}

function indented(paragraphs: readonly string[]): string[] {
  return paragraphs.flatMap((paragraph) => wrap(paragraph).split("\r\n")).map((line) => `  ${line}`);
}

/** In lines that every mail program shows as they are. */
function wrap(text: string): string {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\r\n");
}

function dateOf(date: Date, { locale }: Notices): string {
  const form = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone: "UTC" });
  return `${form.format(date)} UTC`;
}
