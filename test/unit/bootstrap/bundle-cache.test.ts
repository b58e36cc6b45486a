import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { bundleCache } from "../../../tools/bundle-cache.ts";
import { temporaryFolder } from "../../support/queue.ts";

const ENTRY = "mailserver/queue/clock.ts";
const KEPT = "// kept\n";

interface Record {
  code: string;
  inputs: { [path: string]: string };
}

test("a bundle is made once, and anew after anything that went into it is another", async () => {
  await using folder = await temporaryFolder();
  const [code, record] = ["mjs", "json"].map((ending) =>
    join(folder.path, `${ENTRY.replaceAll("/", "-")}.${ending}`),
  ) as [string, string];
  const bundle = async () => Buffer.from(await bundleCache(folder.path)(ENTRY)).toString();
  const change = async (edit: (kept: Record) => void) => {
    const kept = JSON.parse(await readFile(record, "utf8")) as Record;
    edit(kept);
    await writeFile(record, JSON.stringify(kept));
  };
  /** So that it shows whether it was made anew. */
  const plant = async () => {
    await writeFile(code, KEPT);
    await change((kept) => {
      kept.code = hash("sha256", KEPT);
    });
  };

  const made = Buffer.from(await bundleDaemon(ENTRY)).toString();
  assert.equal(await bundle(), made);
  const { inputs } = JSON.parse(await readFile(record, "utf8")) as Record;
  for (const path of [ENTRY, "tools/bundle.ts", "tsconfig.json", "node_modules/.package-lock.json"])
    assert.equal(inputs[path], hash("sha256", await readFile(path)), path);
  await plant();
  assert.equal(await bundle(), KEPT, "nothing changed");

  for (const path of [ENTRY, "tsconfig.json"]) {
    await plant();
    await change((kept) => {
      kept.inputs[path] = hash("sha256", "another");
    });
    assert.equal(await bundle(), made, `${path} changed`);
  }
  await writeFile(code, "// half a bun");
  assert.equal(await bundle(), made, "the kept one is damaged");
  await plant();
  await writeFile(record, "{");
  assert.equal(await bundle(), made, "its record is damaged");
});
