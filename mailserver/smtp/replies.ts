/** Replies by name. Each has an enhanced status code (RFC 3463) and a text that tells a person what to do. */
import type { Reply } from "./types.ts";

/** Makes a reply: `reply(550, "5.1.1", "No such person here")`. */
export function reply(code: number, enhanced: string, ...lines: [string, ...string[]]): Reply {
  return { code, enhanced, lines };
}

/** The same reply, closing the connection after it. */
export function closing(of: Reply): Reply {
  return { ...of, close: true };
}
