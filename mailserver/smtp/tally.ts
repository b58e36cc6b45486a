/** Counts what a client wears out: commands and refusals since its last accepted message. */
import type { ServerOptions } from "./types.ts";

/** An honest client needs a few hundred at most (many refused recipients). */
const COMMANDS = 1000;

export class Tally {
  readonly #limits: ServerOptions["limits"];
  #refusals = 0;
  #commands = 0;

  constructor(limits: ServerOptions["limits"]) {
    this.#limits = limits;
  }

  /** A command came; false when it is one too many. */
  command(): boolean {
    this.#commands += 1;
    return this.#commands <= (this.#limits.commands ?? COMMANDS);
  }

  /** The last command brought a message on: it has limits of its own. */
  progress(): void {
    this.#commands -= 1;
  }

  /** A message was accepted. */
  message(): void {
    this.#refusals = 0;
    this.#commands = 0;
  }

  /** A reply was given; false when it is a refusal too many. */
  reply(code: number): boolean {
    // Temporary refusals are our trouble, not the client's fault.
    if (code >= 500) this.#refusals += 1;
    return this.#refusals < this.#limits.errors;
  }
}
