/** A mail transaction while it is open. */
import type { ChunkedMessage } from "./chunk-reader.ts";
import type { MailParameters, Recipient, ReversePath, Transaction } from "./types.ts";

export class OpenTransaction implements Transaction {
  readonly number: number;
  readonly from: ReversePath;
  readonly parameters: MailParameters;
  /** Set by the first BDAT. */
  chunks: ChunkedMessage | undefined;
  readonly #recipients: Recipient[] = [];

  constructor(number: number, from: ReversePath, parameters: MailParameters) {
    this.number = number;
    this.from = from;
    this.parameters = parameters;
  }

  get recipients(): readonly Recipient[] {
    return this.#recipients;
  }

  add(recipient: Recipient): void {
    this.#recipients.push(recipient);
  }
}
