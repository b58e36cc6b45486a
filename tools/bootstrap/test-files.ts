/** Unit tests first, since they tell most in the least time; whole stacks last. */
const ORDER = ["unit", "dialogues", "components", "integration", "stack"];

const isTest = (file: string): boolean => file.endsWith(".test.ts");

function rank(file: string): number {
  const index = ORDER.indexOf(file.split("/")[1] ?? "");
  return index < 0 ? ORDER.length - 1.5 : index;
}

/** The test files among `files` that `wanted` (folders, files) names, or all; in the order to run them. */
export function selectTests(files: readonly string[], wanted: readonly string[]): string[] {
  const paths = wanted.map((path) => path.replace(/^\.\//, "").replace(/\/+$/, ""));
  const named = (file: string): boolean =>
    paths.some((path) => path === "." || file === path || file.startsWith(`${path}/`));
  return files
    .filter((file) => isTest(file) && (paths.length === 0 || named(file)))
    .toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

/** True when every one of them runs without Docker and Pulumi. */
export function unitOnly(files: readonly string[]): boolean {
  return files.every((file) => file.startsWith("test/unit/") || file.startsWith("test/dialogues/"));
}
