import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { cruise, type ICruiseResult } from "dependency-cruiser";

const root = join(import.meta.dirname, "..", "..", "..");
const rules = createRequire(import.meta.url)(join(root, ".dependency-cruiser.cjs"));
const folder = mkdtempSync(join(tmpdir(), "semail-t-imports-"));
after(() => rmSync(folder, { recursive: true }));
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));

/** Each: a file, what it imports, the rule that it breaks (none: it may). */
const table: [file: string, imports: string, rule?: string][] = [
  ["components/a.ts", "../mailserver/contract.ts"],
  ["components/a.ts", "../mailserver/smtp/types.ts", "contract-only"],
  ["stacks/a.ts", "../mailserver/queue/queue.ts", "contract-only"],
  ["stacks/a.ts", "../components/b.ts"],
  ["components/a.ts", "../stacks/b.ts", "components-below-stacks"],
  ["components/providers/x/resource.ts", "../../b.ts", "providers-below-components"],
  ["components/providers/x/resource.ts", "../../types.ts"],
  ["components/providers/x/resource.ts", "@pulumi/pulumi"],
  ["components/providers/x/crud.ts", "@pulumi/pulumi", "crud-without-pulumi"],
  ["components/providers/x/diff.ts", "@pulumi/pulumi", "crud-without-pulumi"],
  ["mailserver/net/a.ts", "@pulumi/pulumi", "mailserver-alone"],
  ["mailserver/net/a.ts", "../../components/b.ts", "mailserver-alone"],
  ["mailserver/net/a.ts", "../smtp/types.ts"],
  ["mailserver/certifier/a.ts", "../../sdks/gandi/client.ts"],
  ["mailserver/certifier/a.ts", "../../sdks/gandi/record.ts", "mailserver-alone"],
  ["mailserver/net/a.ts", "../../sdks/gandi/client.ts", "certifier-writes-records"],
  ["mailserver/operator/client.ts", "../../operator/b.ts", "mailserver-alone"],
  ["mailserver/operator/client.ts", "../../stacks/b.ts", "mailserver-alone"],
  ["operator/a.ts", "../mailserver/operator/protocol.ts"],
  ["operator/a.ts", "../mailserver/directory/directory.ts", "operator-speaks-the-protocol"],
  ["operator/a.ts", "../stacks/b.ts"],
  ["operator/a.ts", "../tools/bootstrap/b.ts"],
  ["components/a.ts", "../operator/b.ts", "nobody-imports-the-operator"],
  ["mailserver/smtp/a.ts", "../net/b.ts", "smtp-is-a-leaf"],
  ["mailserver/smtp/a.ts", "node:fs", "smtp-is-a-leaf"],
  ["mailserver/smtp/a.ts", "node:net"],
  ["mailserver/policy/a.ts", "../queue/queue.ts", "policy-is-pure"],
  ["mailserver/courier/mx.ts", "../net/b.ts", "mx-is-a-leaf"],
  ["mailserver/courier/mx.ts", "node:dns/promises"],
  ["stacks/address.ts", "./b.ts", "address-is-a-leaf"],
  ["mailserver/smtp/address.ts", "./b.ts", "address-is-a-leaf"],
  ["sdks/gandi/a.ts", "../../stacks/b.ts", "sdk-alone"],
  ["tools/bootstrap/a.ts", "../../stacks/b.ts", "bootstrap-alone"],
  ["stacks/a.ts", "../test/support/b.ts", "no-test-in-product"],
  ["test/unit/a.ts", "../../stacks/b.ts"],
  ["stacks/a.ts", "./missing.ts", "resolvable"],
];

/** A project of two files, in a folder of its own. */
function project(name: string, file: string, imported: string): string {
  const base = join(folder, name);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  if (imported.startsWith(".") && !imported.includes("missing")) {
    write(join(base, dirname(file), imported), "export const b = 1;\n");
  }
  write(join(base, file), `import * as x from "${imported}";\nexport const a = x;\n`);
  symlinkSync(join(root, "node_modules"), join(base, "node_modules"));
  return base;
}

async function broken(base: string, ruleSet: object): Promise<string[]> {
  const { tsConfig: _, ...options } = rules.options;
  const { output } = await cruise(["."], { ...options, baseDir: base, ruleSet, validate: true });
  return (output as ICruiseResult).summary.violations.map(({ rule }) => rule.name);
}

for (const [index, [file, imported, rule]] of table.entries()) {
  test(`${file} ${rule ? "must not" : "may"} import ${imported}`, async () => {
    const found = await broken(project(String(index), file, imported), { forbidden: rules.forbidden });
    assert.deepEqual([...new Set(found)], rule ? [rule] : []);
  });
}

test("two files must not need each other, but their types may", async () => {
  const base = project("cycle", "stacks/a.ts", "./b.ts");
  writeFileSync(join(base, "stacks/b.ts"), 'import { a } from "./a.ts";\nexport const b = () => a;\n');
  assert.ok((await broken(base, { forbidden: rules.forbidden })).includes("no-cycle"));
  writeFileSync(
    join(base, "stacks/b.ts"),
    'import type { a } from "./a.ts";\nexport const b = 1;\nexport type A = typeof a;\n',
  );
  assert.deepEqual(await broken(base, { forbidden: rules.forbidden }), []);
});
