/** The policy of smtp-in's sessions: mail for our people only, and 250 only when their box has taken it. */
import type { Log } from "../net/log.ts";
import { Gathering, type Room } from "../net/room.ts";
import type { SessionHandler } from "../net/types.ts";
import { clientNetwork } from "../policy/client-network.ts";
import { localRecipient } from "../policy/local-recipient.ts";
import { DirectoryUnavailable, type ResolveRecipient } from "../policy/recipient.ts";
import type { Clock } from "../queue/clock.ts";
import { SmtpError } from "../smtp/error.ts";
import * as replies from "../smtp/replies.ts";
import type { Address, Decision, Recipient, Reply, SessionInfo, Transaction } from "../smtp/types.ts";
import type { Box, MailDrop } from "./mail-drop.ts";
import { hopCount, receivedField } from "./received.ts";

export interface HandlerDeps {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly resolve: ResolveRecipient;
  readonly drop: MailDrop;
  readonly room: Room;
  readonly clock: Clock;
  readonly log: Log;
}

/** RFC 5321 section 6.3 */
const MAX_HOPS = 50;

const otherBox = replies.reply(
  452,
  "4.5.3",
  "One mailbox at a time: send to this recipient in another transaction",
);
const noRoom = replies.reply(452, "4.3.1", "No room for the message now, try again later");
const noPostmaster = replies.reply(451, "4.3.5", "This address is not set up yet, try again later");

/** What is collected of one transaction. */
interface Draft {
  box: Box | undefined;
  /** By which address the box was reached first. */
  recipient: Address | undefined;
  readonly message: Gathering;
}

/** Makes the handler of each session. */
export function createHandler(deps: HandlerDeps): (session: SessionInfo) => SessionHandler {
  return (session) => new Reception(session, deps);
}

const refuse = (reply: Reply): Decision => ({ kind: "refuse", reply });

class Reception implements SessionHandler {
  readonly #session: SessionInfo;
  readonly #deps: HandlerDeps;
  readonly #drafts = new Map<Transaction, Draft>();

  constructor(session: SessionInfo, deps: HandlerDeps) {
    this.#session = session;
    this.#deps = deps;
  }

  async rcpt(transaction: Transaction, { address }: Recipient): Promise<Decision> {
    const local = localRecipient(address, this.#deps.domains);
    if (local.kind === "refuse") return refuse(local.reply);
    const box = await this.#find(local.candidates);
    // An absent postmaster is our omission: mail to it must not be refused, nor thrown away.
    if (!box) return refuse(local.role ? noPostmaster : replies.noSuchRecipient);
    const draft = this.#draft(transaction);
    // There is one reply for the message (RFC 5321 section 4.1.1.4). With two boxes, one of which fails for now,
    // 250 would lose a copy and 451 would duplicate one; so the client is asked to send again for the other
    // (section 4.5.3.1.10), until messages are spooled before they are answered.
    if (draft.box && draft.box.uid !== box.uid) return refuse(otherBox);
    draft.box ??= box;
    draft.recipient ??= address;
    return { kind: "accept" };
  }

  chunk(transaction: Transaction, bytes: Uint8Array): void {
    this.#draft(transaction).message.add(bytes);
  }

  async message(transaction: Transaction): Promise<Decision> {
    const draft = this.#draft(transaction);
    try {
      return await this.#deliver(transaction, draft);
    } finally {
      this.dropped(transaction);
    }
  }

  dropped(transaction: Transaction): void {
    this.#drafts.get(transaction)?.message.release();
    this.#drafts.delete(transaction);
  }

  async #find(candidates: readonly string[]): Promise<Box | undefined> {
    try {
      for (const candidate of candidates) {
        const answer = await this.#deps.resolve(candidate);
        if (answer.kind === "box") return answer;
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      // Absent is not unavailable: the client shall try again.
      throw new SmtpError(replies.directoryUnavailable, error);
    }
  }

  async #deliver(transaction: Transaction, draft: Draft): Promise<Decision> {
    const { box, recipient, message } = draft;
    if (message.full) return refuse(noRoom);
    if (!box || !recipient) return refuse(replies.localError);
    const { hostname, clock, drop } = this.#deps;
    const received = receivedField({
      session: this.#session,
      transaction,
      hostname,
      now: new Date(clock.now()),
    });
    const body = message.take(Buffer.from(received));
    if (hopCount(body) > MAX_HOPS) return refuse(replies.mailLoop);
    const id = `${this.#session.id}.${transaction.number}`;
    const outcome = await drop({ id, from: transaction.from, recipient, box, body });
    return outcome.kind === "delivered" ? { kind: "accept" } : refuse(outcome.reply);
  }

  #draft(transaction: Transaction): Draft {
    const draft = this.#drafts.get(transaction) ?? {
      box: undefined,
      recipient: undefined,
      message: new Gathering(this.#deps.room, clientNetwork(this.#session.clientAddress)),
    };
    this.#drafts.set(transaction, draft);
    return draft;
  }
}
