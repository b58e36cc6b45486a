import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Report, report } from "../../../tools/preview/report.ts";
import { PreviewJson } from "../../../tools/preview/schema.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/preview");

/** A recorded preview, as the command reads it. */
export function recorded(name: string): Report {
  return report(PreviewJson.parse(JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8"))));
}
