/** Reads a daemon's settings file. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";

/** The settings are missing or wrong; the message names the file and every bad path, one line. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new SettingsError(`can't read the settings: ${(error as Error).message}`);
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message would quote the text, and with it secrets.
    throw new SettingsError(`${file}: not valid JSON`);
  }
}

/** Reads and validates; throws SettingsError. Values never appear in the message. */
export async function readSettings<T extends z.ZodType>(schema: T, file: string): Promise<z.output<T>> {
  return parseSettings(schema, await readText(file), file);
}

/** The same for settings that did not come from a file; `file` says where from. */
export function parseSettings<T extends z.ZodType>(schema: T, text: string, file: string): z.output<T> {
  const result = schema.safeParse(parseJson(text, file));
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".") || "(top)"}: ${message}`);
  throw new SettingsError(`${file}: ${faults.join("; ").replaceAll("\n", " ")}`);
}
