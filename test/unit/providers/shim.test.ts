import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { execa } from "execa";
import { type Props, ShimResource, shim } from "../../../components/providers/shim.ts";
import { shim as packageShim } from "../../../sdks/gandi/shim.ts";

const [OLD, NEW] = [{ a: 1 }, { a: 2 }];
const CALLS = {
  check: [OLD, NEW],
  diff: ["id", OLD, NEW],
  create: [NEW],
  read: ["id", OLD],
  update: ["id", OLD, NEW],
  delete: ["id", OLD],
};
const OF_PULUMI = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));

/** Every operation says its name and what it was given. */
const telling = (names: readonly string[]): string =>
  names.map((name) => `export const ${name} = async (...args: unknown[]) => ["${name}", args];`).join("\n");

let project: string;

before(async () => {
  project = await mkdtemp(join(tmpdir(), "semail-t shim-"));
  await writeFile(join(project, "all.ts"), telling(["check", "diff", "create", "read", "update"]));
  await writeFile(join(project, "few.ts"), telling(["check", "diff", "create"]));
  const linked = join(project, "node_modules/linked");
  await mkdir(linked, { recursive: true });
  const plain = telling(["check", "diff", "create", "read", "update", "remove"]).replaceAll(
    ": unknown[]",
    "",
  );
  await writeFile(join(linked, "crud.mjs"), plain);
});

after(() => rm(project, { recursive: true, force: true }));

/** What the provider of that text answers, in the project's folder, read as Pulumi's host of such providers reads it. */
async function answers(text: string): Promise<Record<string, unknown>> {
  const script = `
    const [reader, text, calls] = process.argv.slice(1);
    const provider = require(reader)(text).handler();
    const asked = Object.entries(JSON.parse(calls)).map(async ([name, args]) => [name, await provider[name](...args)]);
    Promise.all(asked).then((pairs) => console.log(JSON.stringify(Object.fromEntries(pairs))));`;
  const reader = OF_PULUMI.resolve("require-from-string");
  const { stdout } = await execa("node", ["-e", script, reader, text, JSON.stringify(CALLS)], {
    cwd: project,
  });
  return JSON.parse(stdout);
}

const told = (name: keyof typeof CALLS, as: string = name) => [name, [as, CALLS[name]]];

describe("a provider whose code stays in the project", () => {
  it("has a file of the project answer", async () => {
    assert.deepEqual(
      await answers(shim("all.ts")),
      Object.fromEntries((["check", "diff", "create", "read", "update"] as const).map((name) => told(name))),
    );
  });

  it("leaves as it is what the file has nothing for", async () => {
    const { read, update, ...others } = await answers(shim("few.ts"));
    assert.deepEqual(read, { id: "id", props: OLD });
    assert.deepEqual(update, { outs: NEW });
    assert.deepEqual(Object.keys(others), ["check", "diff", "create"]);
  });

  it("has a package of the project answer", async () => {
    assert.deepEqual(
      await answers(packageShim("linked/crud.mjs")),
      Object.fromEntries([
        ...(["check", "diff", "create", "read", "update"] as const).map((name) => told(name)),
        told("delete", "remove"),
      ]),
    );
  });

  it("puts no code and no path of this machine into the state", () => {
    for (const text of [shim("a/b.ts"), packageShim("@pulumi/gandi/crud.ts")]) {
      assert.ok(text.length < 1_500, `${text.length} characters`);
      assert.ok(!text.includes(dirname(import.meta.dirname)));
    }
  });

  it("is that of a resource with the type by which older stacks know it", async () => {
    const made: { type: string; inputs: Props }[] = [];
    await pulumi.runtime.setMocks({
      newResource: ({ type, inputs, name }) => {
        made.push({ type, inputs });
        return { id: name, state: inputs };
      },
      call: () => ({}),
    });
    const resource = new ShimResource(shim("a.ts"), "name", { a: 1 }, undefined, "Thing");
    await new Promise((resolve) => resource.id.apply(resolve));
    assert.deepEqual(made, [
      { type: "pulumi-nodejs:dynamic/semail:Thing", inputs: { a: 1, __provider: shim("a.ts") } },
    ]);
  });
});
