/** What went wrong and what to do about it: everything the user sees of a failure. */
export class Fault extends Error {
  readonly remedy: string;

  constructor(cause: string, remedy: string, options?: ErrorOptions) {
    super(cause, options);
    this.name = "Fault";
    this.remedy = remedy;
  }
}

/** The remedy when an update of a stack ended half-way, or before it began. */
export const runAgain = (command: "up" | "down", { name }: { readonly name: string }): string =>
  `Correct it, then run \`npm run ${command} -- --stack ${name}\` again: what was done by then stays.`;

/** The run was stopped by a signal; nothing to explain. */
export class Stopped extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
    this.name = "Stopped";
    this.signal = signal;
  }
}

const indent = (text: string): string => text.replaceAll(/^(?=.)/gm, "  ");

/** The cause on the first line, the remedy below it. */
export function renderFault(fault: Fault): string {
  return `✗ ${fault.message}\n${indent(fault.remedy)}`;
}

/** Exit code that shells expect of a process which a signal stopped. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal as "SIGINT" | "SIGTERM" | "SIGHUP"] ?? 1;
}

/** The last `count` lines that say something. */
export function tail(text: string, count: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
