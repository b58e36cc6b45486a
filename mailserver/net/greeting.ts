/** The pause before the greeting (RFC 5321 section 3.1: the client waits for it; programs that only spread mail often don't). */
import type { Socket } from "node:net";
import { closing, reply } from "../smtp/replies.ts";

export const talkedEarly = closing(reply(554, "5.5.1", "You spoke before the greeting: wait for it"));

export class GreetingPause {
  #end: ((early: boolean) => void) | undefined;

  /** True when the client spoke within `ms`. Whoever reads the socket must call `interrupt`. */
  async wait(socket: Socket, ms: number): Promise<boolean> {
    if (ms === 0) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, ms, false);
    this.#end = resolve;
    socket.resume();
    const early = await promise;
    clearTimeout(timer);
    this.#end = undefined;
    return early;
  }

  /** The client spoke (`early`), or has gone. */
  interrupt(early: boolean): void {
    this.#end?.(early);
  }
}
