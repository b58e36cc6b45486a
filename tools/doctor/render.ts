/** The checks as a person reads them, and as a program does. Pure. */
import { printable } from "../../stacks/dns/findings.ts";
import type { Area, Check } from "./types.ts";

export interface Tally {
  readonly checks: number;
  readonly good: number;
  readonly errors: number;
  readonly warnings: number;
  readonly unknown: number;
}

type State = "good" | "wrong" | "warning" | "unknown";

function stateOf({ findings, unknown }: Check): State {
  if (findings.some(({ severity }) => severity === "error")) return "wrong";
  if (findings.length > 0) return "warning";
  return unknown === undefined ? "good" : "unknown";
}

/** How many of each kind. */
export function tally(checks: readonly Check[]): Tally {
  const count = (state: State) => checks.filter((check) => stateOf(check) === state).length;
  return {
    checks: checks.length,
    good: count("good"),
    errors: count("wrong"),
    warnings: count("warning"),
    unknown: count("unknown"),
  };
}

const AREAS: readonly Area[] = ["Name servers", "Records", "Services", "Sending host", "Host", "Kept mail"];
const MARKS: Readonly<Record<State, string>> = { good: "✓", wrong: "✗", warning: "!", unknown: "?" };

function lines(check: Check): string[] {
  const { about, findings, unknown } = check;
  return [
    `  ${MARKS[stateOf(check)]} ${about}${unknown === undefined ? "" : `: ${unknown}`}`,
    ...findings.flatMap(({ message, rule, remedy }) => [`      ${message} (${rule})`, `      → ${remedy}`]),
  ];
}

function sum(checks: readonly Check[]): string {
  const { good, errors, warnings, unknown } = tally(checks);
  const plural = (count: number, one: string, many: string) =>
    count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
  const rest = [
    ...plural(errors, "is wrong", "are wrong"),
    ...plural(warnings, "warning", "warnings"),
    ...plural(unknown, "can't be known from here", "can't be known from here"),
  ];
  const mark = errors > 0 ? "✗" : warnings > 0 ? "!" : "✓";
  return `${mark} ${[`${good} ${good === 1 ? "check" : "checks"} good`, ...rest].join(", ")}`;
}

/** Every check, by area. */
export function render(checks: readonly Check[]): string {
  const areas = AREAS.flatMap((area) => {
    const own = checks.filter((check) => check.area === area);
    return own.length === 0 ? [] : ["", area, ...own.flatMap(lines)];
  });
  return printable([...areas, "", sum(checks)].join("\n"));
}

/** A line for each area, with what isn't good below it. */
export function renderShort(checks: readonly Check[], stack: string): string {
  const areas = AREAS.flatMap((area) => {
    const own = checks.filter((check) => check.area === area);
    const bad = own.filter((check) => stateOf(check) !== "good");
    const width = Math.max(...AREAS.map(({ length }) => length));
    const head = `  ${worst(own)} ${area.padEnd(width)}  ${own.length - bad.length} of ${own.length}`;
    return own.length === 0 ? [] : [head, ...bad.flatMap(lines).map((line) => `  ${line}`)];
  });
  const isGood = checks.every((check) => stateOf(check) === "good");
  const more = isGood ? [] : [`  \`npm run doctor -- --stack ${stack}\` looks again.`, ""];
  return printable(["Looked at from outside", ...areas, sum(checks), ...more].join("\n"));
}

const worst = (checks: readonly Check[]): string =>
  MARKS[(["wrong", "warning", "unknown"] as const).find((state) => checks.some(isIn(state))) ?? "good"];

const isIn =
  (state: State) =>
  (check: Check): boolean =>
    stateOf(check) === state;

/** For machines; `good` is false when something is wrong. */
export function renderJson(stack: string, checks: readonly Check[]): string {
  const counts = tally(checks);
  return JSON.stringify(
    {
      stack,
      good: counts.errors === 0,
      counts,
      checks: checks.map((check) => ({ state: stateOf(check), ...check })),
    },
    null,
    2,
  );
}
