import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { execa } from "execa";
import { soonerStart } from "../../../tools/bootstrap/stack.ts";

const ROOT = join(import.meta.dirname, "../../..");
const FILE = "tools/bootstrap/slow-packages.cjs";

/** What the script prints as JSON, with the preload or without. */
async function told(script: string, preload: boolean): Promise<unknown> {
  const { stdout } = await execa("node", ["-e", script], {
    cwd: ROOT,
    env: { NODE_OPTIONS: preload ? soonerStart({}, ROOT).NODE_OPTIONS : "" },
  });
  return JSON.parse(stdout);
}

const SLOW_ONES = `
  require("@pulumi/pulumi");
  require("@pulumi/pulumi/dynamic");
  const has = (part) => Object.keys(require.cache).some((file) => file.includes(part));
  console.log(JSON.stringify([has("/typescript/lib/"), has("/@npmcli/arborist/")]));`;

const USES: Readonly<Record<string, string>> = {
  "a function is serialised": `
    const { runtime } = require("@pulumi/pulumi");
    const name = "a name";
    runtime.serializeFunction(() => [name, class A extends Map { size() { return super.size; } }])
      .then(({ text }) => console.log(JSON.stringify(text)));`,
  "packages are found": `
    require("@pulumi/pulumi").runtime.computeCodePaths({ extraIncludePackages: ["zod"] })
      .then((found) => console.log(JSON.stringify([...found.keys()].filter((path) => /zod/.test(path)).sort())));`,
};

describe("what Pulumi's processes preload", () => {
  it("leaves out what takes long to read, and without it nothing is left out", async () => {
    assert.deepEqual(await told(SLOW_ONES, true), [false, false]);
    assert.deepEqual(await told(SLOW_ONES, false), [true, true]);
  });

  for (const [name, script] of Object.entries(USES)) {
    it(`changes nothing in what comes of it: ${name}`, async () => {
      const with_ = await told(script, true);
      assert.ok(JSON.stringify(with_).length > 10, JSON.stringify(with_));
      assert.deepEqual(with_, await told(script, false));
    });
  }

  it("is found in a checkout whose path has spaces and quotes, behind the user's own options, once", async () => {
    const scratch = await mkdtemp(join(tmpdir(), "semail-t-slow-"));
    try {
      const root = join(scratch, 'a "quoted" \\ folder');
      await mkdir(join(root, "tools/bootstrap"), { recursive: true });
      await cp(join(ROOT, FILE), join(root, FILE));
      const first = soonerStart({ NODE_OPTIONS: "--stack-trace-limit=3" }, root);
      assert.deepEqual(soonerStart(first, root), first);
      const { stdout } = await execa(
        "node",
        ["-p", "[Error.stackTraceLimit, require('module')._load.name]+''"],
        {
          env: first,
        },
      );
      assert.equal(stdout, "3,loadSlowOnesLater");
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
});
