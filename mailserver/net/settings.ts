/** Reads a daemon's settings file. */
import type { z } from "zod";

/** The settings are missing or wrong; the message names the file and every bad path, one line. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/** Reads and validates; throws SettingsError. Values never appear in the message. */
export function readSettings<T extends z.ZodType>(_schema: T, _file: string): Promise<z.output<T>> {
  throw new Error("not yet");
}
