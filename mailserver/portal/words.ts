/** What the pages say: the words are data, and every language has every key. */
import { en, type WordKey } from "./words/en.ts";
import { fr } from "./words/fr.ts";

export type { WordKey } from "./words/en.ts";
export type Language = "en" | "fr";

export const WORDS: Readonly<Record<Language, Readonly<Record<WordKey, string>>>> = { en, fr };
export const LANGUAGES = ["en", "fr"] as const;

const UNITS = ["kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Made once: to make one takes longer than the rest of a page. */
const inUnits = (language: Language): Intl.NumberFormat[] =>
  UNITS.map((unit) => new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: 1 }));
const FORMATS: Readonly<Record<Language, readonly Intl.NumberFormat[]>> = {
  en: inUnits("en"),
  fr: inUnits("fr"),
};

/** A number of bytes in the language's words: 1.5 MB, 1,5 Mo; of 1024 each, as the config counts. */
export function size(bytes: number, language: Language): string {
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 1), UNITS.length);
  return FORMATS[language][power - 1]?.format(bytes / 1_024 ** power) ?? "";
}

/** Says a key in a language. */
export type Say = (key: WordKey, values?: Readonly<Record<string, string>>) => string;

export function sayIn(language: Language): Say {
  return (key, values = {}) =>
    WORDS[language][key].replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** The language that was chosen, else the first of Accept-Language (RFC 9110 section 12.5.4) that we speak. */
export function chooseLanguage(chosen: string | undefined, accepted: string | undefined): Language {
  const ours = (tag: string) => LANGUAGES.find((each) => tag === each || tag.startsWith(`${each}-`));
  const wishes = (accepted ?? "")
    .slice(0, 500)
    .split(",")
    .map((range) => {
      const [tag = "", ...parameters] = range
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/);
      const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return { language: ours(tag), weight: q === undefined ? 1 : Number(q) || 0 };
    })
    .filter(({ weight }) => weight > 0)
    .sort((one, other) => other.weight - one.weight);
  return ours(chosen ?? "") ?? wishes.find(({ language }) => language)?.language ?? "en";
}
