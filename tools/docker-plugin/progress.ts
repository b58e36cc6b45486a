/** The stream in which the engine reports a build or a pull. */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { ResourceLog } from "./logs.ts";

/** What a finished build or pull left behind. */
export interface Outcome {
  /** The last lines, oldest first. */
  readonly tail: readonly string[];
  /** Why it failed, if it did. */
  readonly error?: string;
  /** The image being based on when it failed. */
  readonly from?: string;
  /** The step being run when it failed. */
  readonly step?: string;
}

interface Message {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progress?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
}

/** What the builder says of its own layers and containers. */
const BOOKKEEPING = /^ ---> |^Removing intermediate container /;
const TAIL = 20;
/** Milliseconds between two status lines: a person reads no faster, and the engine has other work. */
const PACE = 100;

/** Follows the stream to its end, and shows each line beside the resource. */
export async function follow(body: Readable, log: ResourceLog): Promise<Outcome> {
  const tail: string[] = [];
  let outcome: Omit<Outcome, "tail"> = {};
  let shown = 0;
  const show = (line: string): void => {
    tail.push(line);
    if (tail.length > TAIL) tail.shift();
    const now = performance.now();
    if (now - shown < PACE && !line.startsWith("Step ")) return;
    shown = now;
    log.status(line);
  };
  for await (const line of createInterface({ input: body })) {
    if (line.trim() === "") continue;
    const message = JSON.parse(line) as Message;
    const error = message.errorDetail?.message ?? message.error;
    if (error !== undefined) outcome = { ...outcome, error };
    for (const text of lines(message)) {
      outcome = { ...outcome, ...stepOf(text) };
      show(text);
    }
  }
  return { tail, ...outcome };
}

function lines(message: Message): string[] {
  const said = message.stream ?? [message.status, message.id].filter((part) => part !== undefined).join(" ");
  return stripVTControlCharacters(said)
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== "" && !BOOKKEEPING.test(line));
}

function stepOf(line: string): { step?: string; from?: string } {
  const step = /^Step (\d+\/\d+ : .*)$/.exec(line)?.[1];
  if (step === undefined) return {};
  const from = /: FROM (?:--\S+ )?(\S+)/i.exec(step)?.[1];
  return from === undefined ? { step } : { step, from };
}
