/** Bundles that were made before, for as long as nothing is different that went into them: making one costs a second. */
import { hash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type Bundle, bundleWithInputs, PROJECT } from "./bundle.ts";

/** What is beside a bundle: with which files it was made, and by what they are known. */
const Record = z.strictObject({
  code: z.string(),
  /** Null: there is none. */
  inputs: z.record(z.string(), z.string().nullable()),
});

/** What decides how imports are resolved and translated, beside the files that are imported. */
const SURROUNDINGS = ["package.json", "tsconfig.json", "tools/bundle.ts"];
/** What npm installed; without it, nobody knows what an import finds the next time. */
const INSTALLED = "node_modules/.package-lock.json";

const digest = (content: string | Uint8Array): string => hash("sha256", content);

/** `bundleDaemon` with a memory in `folder`. The same sources give the same bytes, from there or made anew. */
export function bundleCache(folder: string): (entry: string) => Promise<Uint8Array> {
  // Most files are in several bundles.
  const seen = new Map<string, Promise<string | null>>();
  const digestOf = (path: string): Promise<string | null> => {
    const known = seen.get(path) ?? readFile(join(PROJECT, path)).then(digest, () => null);
    seen.set(path, known);
    return known;
  };
  return async (entry) => {
    const place = join(folder, entry.replaceAll("/", "-"));
    const known = await read(place, digestOf);
    if (known) return known;
    const began = Date.now();
    const made = await bundleWithInputs(entry);
    // What is written to meanwhile may be in the bundle in parts.
    if (!(await anyNewer(made.inputs, began))) await keep(place, made, digestOf);
    return made.code;
  };
}

async function anyNewer(inputs: readonly string[], began: number): Promise<boolean> {
  const times = await Promise.all(inputs.map(async (path) => (await stat(join(PROJECT, path))).mtimeMs));
  return times.some((time) => time >= began);
}

type DigestOf = (path: string) => Promise<string | null>;

/** The bundle that is kept there, when everything is as it was. */
async function read(place: string, digestOf: DigestOf): Promise<Uint8Array | undefined> {
  try {
    const { code, inputs } = Record.parse(JSON.parse(await readFile(`${place}.json`, "utf8")));
    const same = await Promise.all(
      Object.entries(inputs).map(async ([path, digest]) => (await digestOf(path)) === digest),
    );
    if (same.includes(false)) return undefined;
    const bytes = await readFile(`${place}.mjs`);
    // Two runs may have kept theirs at the same time.
    return digest(bytes) === code ? bytes : undefined;
  } catch {
    return undefined;
  }
}

async function keep(place: string, { code, inputs }: Bundle, digestOf: DigestOf): Promise<void> {
  const digests = await Promise.all(
    [INSTALLED, ...SURROUNDINGS, ...inputs].map(async (path) => [path, await digestOf(path)] as const),
  );
  const [[, installed] = ["", null]] = digests;
  if (installed === null) return;
  await mkdir(join(place, ".."), { recursive: true });
  const record = { code: digest(code), inputs: Object.fromEntries(digests) };
  for (const [ending, content] of [
    ["mjs", code],
    ["json", `${JSON.stringify(record)}\n`],
  ] as const) {
    const part = `${place}.${process.pid}.part`;
    await writeFile(part, content);
    await rename(part, `${place}.${ending}`);
  }
}
