/** The counts of clients, asked of the primary process. */
import type { ClientCounts, Entry } from "../policy/client-counts.ts";
import type { FromPrimary, FromWorker, Question } from "./messages.ts";

export class RemoteCounts implements ClientCounts {
  readonly #send: (message: FromWorker) => void;
  readonly #waiting = new Map<number, (value: Entry | boolean) => void>();
  #next = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Takes the primary's answer. */
  answered({ number, value }: FromPrimary & { readonly kind: "answer" }): void {
    this.#waiting.get(number)?.(value);
    this.#waiting.delete(number);
  }

  async enter(client: string): Promise<Entry> {
    const value = await this.#ask({ kind: "enter", client });
    return typeof value === "string" ? value : "full";
  }

  leave(client: string): void {
    this.#send({ kind: "leave", client });
  }

  error(client: string): void {
    this.#send({ kind: "error", client });
  }

  async recipient(client: string): Promise<boolean> {
    return (await this.#ask({ kind: "recipient", client })) === true;
  }

  /** A primary that is gone takes its workers along, so every question that matters is answered. */
  #ask(question: Pick<Question, "kind" | "client">): Promise<Entry | boolean> {
    const number = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.#send({ ...question, number });
    });
  }
}
