import ts from "typescript";

const MAX_LINES = 300;

/** Globals of the process that wiring code alone may use. */
const WIRING = new Set(["env", "exit", "exitCode", "argv"]);

/** Folders whose files get what they need handed in; within them only `main.ts` wires. */
const WIRED = /^(mailserver|operator)\//;
const MAIN = /(^|\/)main\.ts$/;

function wiringUses(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isPropertyAccessExpression(node) &&
      ts.isIdentifier(node.expression) &&
      node.expression.text === "process" &&
      WIRING.has(node.name.text)
    ) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      found.push(`${file}:${line + 1} uses process.${node.name.text}: only main.ts files do`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** What the import rules can't see: who reads the environment or ends the process, and how long a file is. */
export function boundaryProblems(file: string, text: string): string[] {
  const lines = text.split("\n").length - 1;
  const isTest = /^(test|bench)\//.test(file);
  return [
    ...(WIRED.test(file) && !MAIN.test(file) ? wiringUses(file, text) : []),
    ...(lines > MAX_LINES && !isTest ? [`${file} has ${lines} lines; ${MAX_LINES} are the most`] : []),
  ];
}
