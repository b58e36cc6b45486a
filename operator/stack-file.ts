/** The stack file as text: what it says, and a person's entry in it changed with all else left byte for byte. Pure. */
import { isDeepStrictEqual } from "node:util";
import {
  isMap,
  isScalar,
  isSeq,
  type Pair,
  parse,
  parseDocument,
  Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { describeProblems, NAMESPACE, parseConfig, rawFileConfig } from "../stacks/check-config.ts";
import type { StackConfig } from "../stacks/schema.ts";
import { Refusal } from "./refusal.ts";

/** Keys of a person and what they become; `undefined`, or an empty list, takes the key out. */
export type UserEdit = Readonly<
  Partial<
    Record<
      "addresses" | "aliases" | "forward" | "state" | "deletedOn",
      string | readonly string[] | undefined
    >
  >
>;

/** A person's entry as the file has it now, and as it shall be. */
export interface EntryChange {
  readonly uid: string;
  readonly before: string;
  readonly after: string;
}

/** The checked config of a stack file. Throws a Refusal that names every fault. */
export function readConfig(file: { name: string; text: string; project: string }): StackConfig {
  let raw: Record<string, unknown> | undefined;
  try {
    raw = rawFileConfig(file.text, file.project);
  } catch (cause) {
    throw unreadable(`${file.name} is not valid YAML; an administrator must correct it.`, cause);
  }
  if (raw === undefined)
    throw unreadable(`${file.name} has secrets in it beside the token, so it can't be checked here.`);
  const { config, problems } = parseConfig(raw);
  if (config && problems.length === 0) return config;
  throw new Refusal("config-refused", describeProblems(file.name, problems));
}

function unreadable(detail: string, cause?: unknown): Refusal {
  return new Refusal("config-unreadable", detail, { cause });
}

interface Entry {
  readonly start: number;
  readonly end: number;
  /** Columns before the entry's first line. */
  readonly column: number;
}

type UserPair = Pair<Scalar, YAMLMap>;

const isUser = (pair: Pair, uid: string): pair is UserPair =>
  isScalar(pair.key) && String(pair.key.value) === uid && isMap(pair.value);

/** Where the person's entry stands in the text. */
function locate(text: string, uid: string): Entry {
  const users = parseDocument(text).getIn(["config", `${NAMESPACE}:users`]);
  const pair = isMap(users) ? users.items.find((item) => isUser(item, uid)) : undefined;
  const [start, end] = [pair?.key.range?.[0], pair?.value?.range?.[1]];
  if (start === undefined || end === undefined)
    throw new Refusal(
      "needs-administrator",
      `${uid} has no entry of their own below ${NAMESPACE}:users that could be changed.`,
    );
  // Behind a list that a comment ends, the range takes in the next line's indentation, which is no part of the entry.
  const whole = text.slice(start, end).replace(/(?<=\n)[ \t]+$/, "");
  return { start, end: start + whole.length, column: start - (text.lastIndexOf("\n", start - 1) + 1) };
}

/** The entry's text with its lines moved to the left margin. */
function cutOut(text: string, { start, end, column }: Entry): string {
  return text
    .slice(start, end)
    .replaceAll(new RegExp(`^ {1,${Math.max(column, 1)}}`, "gm"), (spaces) => spaces.slice(column));
}

const pushIn = (entry: string, column: number): string =>
  entry.replaceAll(/\n(?=[^\n])/g, `\n${" ".repeat(column)}`);

/** What an edit makes of the person's entry. */
export function planChange(text: string, uid: string, edit: UserEdit): EntryChange {
  const before = cutOut(text, locate(text, uid));
  const document = parseDocument(before);
  const user = isMap(document.contents) ? document.contents.items[0]?.value : undefined;
  if (document.errors.length > 0 || !isMap(user))
    throw new Refusal("needs-administrator", `The entry of ${uid} can't be changed by itself.`);
  const written = JSON.stringify(user);
  for (const [key, value] of Object.entries(edit)) {
    if (value === undefined || value.length === 0) user.delete(key);
    else if (typeof value === "string") setText(user, key, value);
    else setList(user, key, value);
  }
  if (JSON.stringify(user) === written) return { uid, before, after: before };
  const indent = Math.min(Math.max((/\n( +)\S/.exec(before)?.[1] ?? "  ").length, 1), 8);
  const rendered = document.toString({ lineWidth: 0, flowCollectionPadding: false, indent });
  return { uid, before, after: before.endsWith("\n") ? rendered : rendered.trimEnd() };
}

/** An alias, anchor or tag there is the administrator's; so is what isn't a plain value. */
function setText(user: YAMLMap, key: string, value: string): void {
  if (user.get(key) === value) return;
  const scalar = new Scalar(value);
  // Without quotes it would be a time to Pulumi.
  if (/^\d{4}-\d{2}-\d{2}$/.test(value)) scalar.type = "QUOTE_DOUBLE";
  user.set(key, scalar);
}

/** Keeps the values that stay, and the comments at them. */
function setList(user: YAMLMap, key: string, wanted: readonly string[]): void {
  const known = user.get(key, true);
  if (!isSeq(known)) {
    user.set(key, flowList(wanted));
    return;
  }
  const textOf = (item: unknown) => (isScalar(item) ? String(item.value).trim().toLowerCase() : "");
  const kept = known.items.filter((item) => wanted.includes(textOf(item)));
  const have = kept.map(textOf);
  (known as YAMLSeq<unknown>).items = kept;
  for (const value of wanted) if (!have.includes(value)) known.add(value);
}

function flowList(values: readonly string[]): YAMLSeq {
  const list = parseDocument(JSON.stringify(values)).contents as unknown as YAMLSeq<Scalar>;
  for (const item of list.items) item.type = "PLAIN";
  return list;
}

/** What the person's entry is in this text. */
export function entryOf(text: string, uid: string): string {
  return cutOut(text, locate(text, uid));
}

/**
 * The text with `before` replaced by `after`. Text that has `after` already stays as it is; throws a Refusal when the
 * entry is neither, since then somebody else has changed it.
 */
export function applyChange(text: string, { uid, before, after }: EntryChange): string {
  const at = locate(text, uid);
  const now = cutOut(text, at);
  if (now === after) return text;
  if (now !== before)
    throw new Refusal("needs-administrator", `The entry of ${uid} was changed by somebody else meanwhile.`);
  const changed = text.slice(0, at.start) + pushIn(after, at.column) + text.slice(at.end);
  // As where others have a part of it by an anchor.
  if (!isDeepStrictEqual(withoutEntry(changed, uid), withoutEntry(text, uid)))
    throw new Refusal("needs-administrator", `The entry of ${uid} can't be changed by itself.`);
  return changed;
}

/** All that the file says but the person's entry, of whatever model or none; undefined where it isn't valid. */
function withoutEntry(text: string, uid: string): unknown {
  try {
    const all = parse(text) as Record<string, Record<string, Record<string, unknown>>>;
    delete all.config?.[`${NAMESPACE}:users`]?.[uid];
    return all;
  } catch {
    return undefined;
  }
}

/** The change that takes `change` back. */
export function reversed({ uid, before, after }: EntryChange): EntryChange {
  return { uid, before: after, after: before };
}
