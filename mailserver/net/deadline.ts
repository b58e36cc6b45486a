/** The deadlines of one connection: for the client while it is waited for, and for the whole. */
import type { ServerSession } from "../smtp/server-session.ts";
import type { ServerAction } from "../smtp/types.ts";
import { Patience } from "./patience.ts";
import { systemTiming, type Timing } from "./timing.ts";
import type { ServeOptions } from "./types.ts";

export class Deadlines {
  readonly #patience: Patience;
  readonly #timing: Timing;
  readonly #sessionMs: number;
  #cancel = (): void => {};
  #cancelTotal = (): void => {};
  #since: number | undefined;

  constructor({ limits, timing = systemTiming }: Pick<ServeOptions, "limits" | "timing">) {
    this.#patience = new Patience(limits.idleMs, limits.bytesPerSecond ?? 0);
    this.#timing = timing;
    this.#sessionMs = limits.sessionMs;
  }

  /** The connection begins; calls `tooLong` when it has lasted as long as any may. */
  begin(tooLong: () => void): void {
    this.#cancelTotal = this.#timing.after(this.#sessionMs, tooLong);
  }

  /** The client is waited for from now on; calls `giveUp` when its time is over. */
  wait(giveUp: () => void): void {
    this.stop();
    this.#since = this.#timing.now();
    this.#cancel = this.#timing.after(this.#patience.left, giveUp);
  }

  /** It is not waited for any more: what follows is our own time. */
  stop(): void {
    this.#cancel();
    if (this.#since !== undefined) this.#patience.waited(this.#timing.now() - this.#since);
    this.#since = undefined;
  }

  /** Hands bytes to the session and grants the client the time that they are worth. */
  hear(session: ServerSession, chunk: Uint8Array): ServerAction[] {
    const { inMessage } = session;
    const actions = session.receive(chunk);
    if (inMessage) this.#patience.received(chunk.length);
    // Any answer, and any question, is to something that was whole.
    if (actions.some(({ kind }) => kind !== "chunk")) this.#patience.progress();
    return actions;
  }

  /** The connection is over. */
  end(): void {
    this.stop();
    this.#cancelTotal();
  }
}
