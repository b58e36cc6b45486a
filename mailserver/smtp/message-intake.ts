/** How a server session takes in a message: by DATA, or by BDAT in chunks (RFC 3030). */
import { type ChunkArgument, ChunkedMessage, OctetReader } from "./chunk-reader.ts";
import { type DataFault, DataReader } from "./data-reader.ts";
import { chunkAccepted } from "./replies.ts";
import type { Mode, OctetSource, Pending } from "./server-state.ts";
import type { OpenTransaction } from "./transaction.ts";
import type { Question, Reply, ServerAction } from "./types.ts";

/** What the intake needs of its session. */
export interface IntakeHost {
  setMode(mode: Mode): void;
  push(action: ServerAction): void;
  reply(reply: Reply): void;
  /**
   * Asks the policy. `accepted` runs when it agrees and gives the reply to use unless the policy had its own;
   * `refused` runs when it does not, instead of saying so at once.
   */
  ask(question: Question, accepted: Pending["accepted"], refused?: Pending["refused"]): void;
  /** Drops the open transaction, if any. */
  reset(): void;
  /** A chunk with octets was taken. */
  progress(): void;
  /** The message is whole, or refused as a whole. */
  messageEnd(transaction: OpenTransaction, message: Message): void;
}

/** What was read of a message. */
export interface Message {
  readonly fault: DataFault | undefined;
  readonly size: number;
  /** False: refused before its end, and the client may not know yet how it would have ended. */
  readonly whole: boolean;
}

export class MessageIntake {
  readonly #limit: number;
  readonly #host: IntakeHost;

  constructor(limit: number, host: IntakeHost) {
    this.#limit = limit;
    this.#host = host;
  }

  /** The message follows, ended by a dot. */
  data(transaction: OpenTransaction): void {
    const reader = new DataReader(this.#limit, this.#emitter(transaction));
    this.#read(reader, () => {
      this.#host.messageEnd(transaction, { fault: reader.fault, size: reader.size, whole: true });
    });
  }

  /** The first chunk of a message: the policy is asked before its octets are read. */
  firstChunk(transaction: OpenTransaction, chunk: ChunkArgument) {
    const accepted = (): undefined => {
      transaction.chunks = new ChunkedMessage({
        limit: this.#limit,
        binary: transaction.parameters.body === "BINARYMIME",
        emit: this.#emitter(transaction),
      });
      this.chunk(transaction, transaction.chunks, chunk);
    };
    const refused = (reply: Reply) => {
      if (reply.close === true) return this.#host.reply(reply);
      // RFC 3030 section 2: the transaction has failed, and further chunks may be on their way.
      this.#host.reset();
      this.skip(chunk.octets, reply);
    };
    this.#host.ask({ kind: "data", transaction }, accepted, refused);
  }

  chunk(transaction: OpenTransaction, message: ChunkedMessage, { octets, last }: ChunkArgument) {
    message.announce(octets);
    const reader = new OctetReader(octets, (bytes) => message.take(bytes));
    this.#read(reader, () => {
      if (last) message.finish();
      const { fault, size } = message;
      if (last || fault !== undefined) {
        return this.#host.messageEnd(transaction, { fault, size, whole: last });
      }
      if (octets > 0) this.#host.progress();
      // RFC 3030 section 2: 250 to each chunk.
      this.#host.reply(chunkAccepted(octets));
    });
  }

  /** RFC 3030 section 2: octets of a chunk that is refused are accepted and discarded before that is said. */
  skip(octets: number, refusal: Reply): void {
    this.#read(new OctetReader(octets, () => {}), () => this.#host.reply(refusal));
  }

  #read(reader: OctetSource, then: () => void): void {
    const ended = (): void => {
      this.#host.setMode({ kind: "command" });
      then();
    };
    if (reader instanceof OctetReader && reader.done) ended();
    else this.#host.setMode({ kind: "octets", reader, ended });
  }

  #emitter(transaction: OpenTransaction): (bytes: Uint8Array) => void {
    return (bytes) => this.#host.push({ kind: "chunk", transaction, bytes });
  }
}
