/** What the operator finds in its environment. The rest of it goes to Pulumi and git. */
import { z } from "zod";
import { SOCKET } from "../mailserver/operator/protocol.ts";
import type { Context, Env } from "../tools/bootstrap/context.ts";

const Settings = z
  .object({
    /** The checkout. */
    SEMAIL_ROOT: z.string().startsWith("/"),
    SEMAIL_STACK: z.string().min(1),
    SEMAIL_SOCKET: z.string().startsWith("/").default(SOCKET),
  })
  .transform(({ SEMAIL_ROOT: root, SEMAIL_STACK: stack, SEMAIL_SOCKET: socket }) => ({
    root,
    stack,
    socket,
  }));
export type OperatorSettings = z.output<typeof Settings>;

/** Throws with the names of what is missing. */
export function readOperatorSettings(env: Env): OperatorSettings {
  return Settings.parse(env);
}

/** What the steps of `npm run` are given here: nobody watches. */
export function operatorContext({ root }: OperatorSettings, env: Env, ending: AbortSignal): Context {
  const quiet = { doing: () => undefined, done: () => undefined, line: () => undefined };
  return { root, env: { ...env }, signal: ending, hurry: ending, say: quiet };
}
