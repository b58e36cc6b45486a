/** The words after `queue` on a command line. Pure. */
import { parseArgs } from "node:util";
import { DeskRequest } from "./words.ts";

export const USAGE =
  "queue list|show|retry|hold|release|drop|restore|flush [ID...] [--state held|deferred] [--limit N] [--json]";

export type Parsed =
  | { readonly request: DeskRequest; readonly json: boolean }
  /** What is wrong, and what to write instead. */
  | { readonly fault: string };

const LIMIT = 100;
const VERBS = new Set<unknown>(["list", "flush", "show", "retry", "hold", "release", "drop", "restore"]);
const WITH_IDS = new Set(["show", "retry", "hold", "release", "drop", "restore"]);

/** Reads what was typed. */
export function parseDesk(args: readonly string[]): Parsed {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { json: { type: "boolean" }, state: { type: "string" }, limit: { type: "string" } },
      allowPositionals: true,
    });
    return toRequest(positionals, values);
  } catch (error) {
    return { fault: `${(error as Error).message}\nUsage: ${USAGE}` };
  }
}

interface Flags {
  readonly json?: boolean;
  readonly state?: string;
  readonly limit?: string;
}

function toRequest(
  [verb = "list", ...ids]: readonly string[],
  { json = false, state, limit }: Flags,
): Parsed {
  if (!VERBS.has(verb)) return { fault: `There is no \`queue ${verb}\`.\nUsage: ${USAGE}` };
  const idsGiven = ids.length > 0;
  if (WITH_IDS.has(verb) && !idsGiven) {
    return { fault: `${verb} needs the id of an item: \`queue list\` shows them.` };
  }
  if (!WITH_IDS.has(verb) && idsGiven) {
    return { fault: `${verb} takes no id${verb === "flush" ? ": `queue retry ID` is for one item" : ""}.` };
  }
  if (verb !== "list" && (state ?? limit) !== undefined) {
    return { fault: "--state and --limit are for `queue list`." };
  }
  const words = WITH_IDS.has(verb)
    ? { verb, ids }
    : verb === "list"
      ? { verb, ...listing(state, limit) }
      : { verb };
  const request = DeskRequest.safeParse(words);
  if (request.success) return { request: request.data, json };
  return { fault: `${faultOf(String(request.error.issues[0]?.path[0]))}\nUsage: ${USAGE}` };
}

const listing = (state: string | undefined, limit: string | undefined) => ({
  ...(state !== undefined && { state }),
  limit: limit === undefined ? LIMIT : Number(limit),
});

function faultOf(field: string): string {
  if (field === "limit") return "--limit is a whole number from 1 to 10000.";
  if (field === "state") return "--state is held or deferred.";
  return "An id has 1 to 64 characters, and 1000 are the most at once.";
}
