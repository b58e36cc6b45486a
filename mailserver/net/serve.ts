import type { MailListener, ServeOptions } from "./types.ts";

/** Listens and runs a server session per connection. Rejects when the port can't be had. */
export function serve(_options: ServeOptions): Promise<MailListener> {
  throw new Error("not yet");
}
