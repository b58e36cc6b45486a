/** What is in a Maildir, as far as it says which message is which. The parsers are pure. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where a folder's messages are: those that no program has seen yet, and the others. */
export const PLACES = ["cur", "new"] as const;
export type Place = (typeof PLACES)[number];

export interface Message {
  readonly place: Place;
  readonly name: string;
}

/** What stays the same in a message's file name when its flags change. */
export function identityOf(name: string): string {
  return name.split(/[:,]/, 1)[0] ?? name;
}

/** Keywords by the letter that stands for them in file names, from the text of `dovecot-keywords`. */
export function parseKeywords(text: string): Map<string, string> {
  const keywords = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, number, keyword] = /^(\d+) (.+)$/.exec(line) ?? [];
    if (keyword !== undefined && Number(number) < 26)
      keywords.set(String.fromCharCode(97 + Number(number)), keyword);
  }
  return keywords;
}

/** The name with its keywords in the letters of another folder; `lost` counts those that it has no letter for. */
export function translateName(
  name: string,
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): { name: string; lost: number } {
  const [, base, flags] = /^(.*:2,)([A-Za-z]*)$/.exec(name) ?? [];
  if (base === undefined || flags === undefined) return { name, lost: 0 };
  const letters = new Map([...to].map(([letter, keyword]) => [keyword, letter]));
  const translated = [...flags].map((flag) =>
    flag < "a" ? flag : letters.get(from.get(flag)?.valueOf() ?? ""),
  );
  const known = translated.filter((flag) => flag !== undefined);
  return { name: base + known.toSorted().join(""), lost: translated.length - known.length };
}

/** Directories of all folders of a Maildir; the empty name is INBOX. */
export async function foldersOf(maildir: string): Promise<string[]> {
  const entries = await readdir(maildir, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && /^\.[^.]/.test(entry.name));
  return ["", ...folders.map(({ name }) => name).toSorted()];
}

/** The messages of a folder. */
export async function messagesOf(folder: string): Promise<Message[]> {
  const lists = PLACES.map(async (place) => {
    const names = await readdir(join(folder, place)).catch(absent<string[]>([]));
    return names.filter((name) => !name.startsWith(".")).map((name) => ({ place, name }));
  });
  return (await Promise.all(lists)).flat();
}

/** Dovecot's file with the names of a folder's keywords. */
export const KEYWORDS = "dovecot-keywords";

export async function keywordsOf(folder: string): Promise<Map<string, string>> {
  return parseKeywords(await readFile(join(folder, KEYWORDS), "utf8").catch(absent("")));
}

/** Turns "there is no such file" into `instead`; throws everything else on. */
export function absent<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return instead;
    throw error;
  };
}
