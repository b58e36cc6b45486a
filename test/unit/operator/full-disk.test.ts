/** A disk that gets full in the middle of a write, played by a limit on the size of files. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { execa } from "execa";

const JOURNAL = new URL("../../../operator/journal.ts", import.meta.url).href;
const NAME = "f".repeat(32);
/** How a long text is written to `folder`, as code for a process of its own: the limit is for all that it writes. */
const WRITERS: Record<string, string> = {
  "the stack file": `writeDurably(join(folder, "${NAME}.json"), text)`,
  "a journal entry": `
    const entry = newEntry("${NAME}", { kind: "restart", uid: "bob" }, 0);
    entry.view.error = { code: "update-failed", detail: text };
    openJournal(folder).save(entry)`,
};

describe("a disk that gets full in the middle of a write", () => {
  for (const [name, code] of Object.entries(WRITERS)) {
    it(`is an error, and leaves ${name} as it was`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "semail-full-"));
      t.after(() => rm(folder, { recursive: true }));
      await writeFile(join(folder, `${NAME}.json`), "before");
      const script = `
        import { join } from "node:path";
        import { newEntry, openJournal, writeDurably } from ${JSON.stringify(JOURNAL)};
        const folder = ${JSON.stringify(folder)};
        const text = "x".repeat(200_000);
        try { ${code}; console.log("written"); } catch (error) { console.log(error.code); }`;
      // A write across the limit (blocks of 512 bytes) is cut off there, and only the next one fails: setrlimit(2).
      const { stdout } = await execa("sh", [
        ...["-c", 'ulimit -f 128; exec "$0" "$@"', process.execPath, "--disable-warning=ExperimentalWarning"],
        ...["--input-type=module", "--eval", script],
      ]);
      assert.equal(stdout, "EFBIG");
      assert.deepEqual(await readdir(folder), [`${NAME}.json`]);
      assert.equal(await readFile(join(folder, `${NAME}.json`), "utf8"), "before");
    });
  }
});
