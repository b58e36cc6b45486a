/** The command inside a daemon's container: `main.mjs queue …`. */
import { parseDesk } from "./arguments.ts";
import { askDesks } from "./ask.ts";
import { say } from "./text.ts";

export interface CommandDeps {
  /** Where the workers' sockets are. */
  readonly folder: string;
  readonly now: () => number;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Answers the exit code: 0 all was there, 1 something was not, 2 the words make no sense. */
export async function runDeskCommand(args: readonly string[], deps: CommandDeps): Promise<number> {
  const parsed = parseDesk(args);
  if ("fault" in parsed) {
    deps.err(`${parsed.fault}\n`);
    return 2;
  }
  const answer = await askDesks(deps.folder, parsed.request);
  const { out, err, complete } = say(parsed.request, answer, deps.now());
  deps.out(parsed.json ? `${JSON.stringify(answer)}\n` : out);
  deps.err(err);
  return complete ? 0 : 1;
}
