/** The policy of smtp-in's sessions: mail for our people only, and 250 only when their boxes or the disk have it. */
import { isAscii } from "node:buffer";
import { authorOf } from "../message/author.ts";
import { type Field, formatMessage, type Message, parseMessage } from "../message/header.ts";
import { junkField, withoutForged } from "../message/trace.ts";
import type { Log } from "../net/log.ts";
import { Gathering, type Room } from "../net/room.ts";
import type { SessionHandler } from "../net/types.ts";
import { clientNetwork } from "../policy/client-network.ts";
import { namesOurs } from "../policy/in-our-name.ts";
import { isRole } from "../policy/local-recipient.ts";
import { eitherWish } from "../policy/notify.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import { judgeSender, type SenderRules } from "../policy/sender.ts";
import type { SrsAnswer } from "../policy/srs.ts";
import type { Clock } from "../queue/clock.ts";
import { asOriginal, fitsOrcpt } from "../smtp/dsn-parameters.ts";
import { SmtpError } from "../smtp/error.ts";
import * as replies from "../smtp/replies.ts";
import type { Address, Decision, Recipient, Reply, SessionInfo, Transaction } from "../smtp/types.ts";
import type { CheckSender } from "./check-sender.ts";
import type { Clients } from "./clients.ts";
import type { FindBox, Found } from "./find-box.ts";
import { type ForwardFacts, withoutForwards } from "./forwards.ts";
import type { Client, MailDrop } from "./mail-drop.ts";
import { hopCount, receivedField } from "./received.ts";
import type { Forward, Parcel } from "./spool.ts";

export interface HandlerDeps {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly findBox: FindBox;
  readonly drop: MailDrop;
  /** Who sent the message that bounces to an address; absent: we rewrite no reverse-paths. */
  readonly returnPath?: (address: Address) => SrsAnswer;
  /** How senders are checked; absent: they are not. */
  readonly senders?: { readonly check: CheckSender; readonly rules: SenderRules };
  readonly clients: Pick<Clients, "recipient" | "listed">;
  readonly room: Room;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of the checks of a message's sender: what it gets on top, or why it is refused. */
type Judged =
  | { readonly kind: "refuse"; readonly reply: Reply }
  | {
      readonly kind: "pass";
      readonly fields: string;
      readonly marks: readonly Field[];
      readonly proven: boolean;
      readonly inOurName: boolean;
      /** DNS did not say all; what is refused for what it did not say is so for now. */
      readonly unsure: boolean;
    };

/** RFC 5321 section 6.3; ours included. */
const MAX_HOPS = 50;

const enough = replies.reply(450, "4.7.1", "Too many recipients from your address, try again later");
const blocked = (list: string): Reply =>
  replies.reply(550, "5.7.1", `Your address is listed by ${list}; write to postmaster here if that is wrong`);
const notOurs = replies.reply(550, "5.1.1", "This return address has expired, or is none of ours");
const bouncesOnly = replies.reply(
  550,
  "5.7.1",
  "Only bounces (a null reverse-path) are taken for this address",
);
const tooLong = replies.reply(
  553,
  "5.1.3",
  "The address is too long: no more than 493 characters are taken, fewer with such as need to be escaped",
);
const inOurName = replies.reply(
  550,
  "5.7.1",
  "A bounce is not passed on whose author is of our domain by its From field alone",
);
const unproven = replies.reply(
  451,
  "4.4.3",
  "Whether the bounce is from its author can't be looked up now, try again later",
);
const noRoom = replies.reply(452, "4.3.1", "No room for the message now, try again later");

/** A recipient that is a rewritten reverse-path. */
type Return =
  | { readonly kind: "refuse"; readonly reply: Reply }
  | { readonly kind: "return"; readonly forward: Forward };

/** What is collected of one transaction. */
interface Draft {
  /** By uid, each with the address by which the person was reached first. */
  readonly parcels: Map<string, Parcel>;
  /** Bounces, by the address to which they go. */
  readonly returns: Map<string, Forward>;
  readonly message: Gathering;
}

/** Makes the handler of each session. */
export function createHandler(deps: HandlerDeps): (session: SessionInfo) => SessionHandler {
  return (session) => new Reception(session, deps);
}

/** Absent is not unavailable: the client shall try again. */
function unavailable(error: unknown): never {
  throw error instanceof DirectoryUnavailable ? new SmtpError(replies.directoryUnavailable, error) : error;
}

const refuse = (reply: Reply): Decision => ({ kind: "refuse", reply });

class Reception implements SessionHandler {
  readonly #session: SessionInfo;
  readonly #deps: HandlerDeps;
  #listed: Promise<string | undefined> | undefined;
  readonly #drafts = new Map<Transaction, Draft>();

  constructor(session: SessionInfo, deps: HandlerDeps) {
    this.#session = session;
    this.#deps = deps;
  }

  async rcpt(transaction: Transaction, { address, parameters }: Recipient): Promise<Decision> {
    const { clients } = this.#deps;
    const { clientAddress } = this.#session;
    // For whom we send mail on is said by ORCPT. Taken from nobody, since who forwards their mail is not to be told.
    if (!fitsOrcpt(asOriginal(address.text))) return refuse(tooLong);
    const back = this.#return(transaction, address);
    if (back?.kind === "refuse") return back;
    const found = back ?? (await this.#find(address));
    if (found.kind === "refuse") return found;
    this.#listed ??= clients.listed(clientAddress);
    const list = await this.#listed;
    // Who is listed by mistake can still reach a person who may help.
    if (list !== undefined && !isRole(address)) return refuse(blocked(list));
    if (!(await clients.recipient(clientAddress))) return refuse(enough);
    const { parcels, returns } = this.#draft(transaction);
    if (found.kind === "return") {
      returns.set(found.forward.address.text, found.forward);
      return { kind: "accept" };
    }
    const known = parcels.get(found.box.uid);
    const notify = known ? eitherWish(known.wishes.notify, parameters.notify) : parameters.notify;
    const { orcpt } = known?.wishes ?? parameters;
    const wishes = { ...(notify && { notify }), ...(orcpt && { orcpt }) };
    parcels.set(found.box.uid, { ...(known ?? found), wishes });
    return { kind: "accept" };
  }

  chunk(transaction: Transaction, bytes: Uint8Array): void {
    this.#draft(transaction).message.add(bytes);
  }

  async message(transaction: Transaction): Promise<Decision> {
    const draft = this.#draft(transaction);
    let held: Promise<unknown> = Promise.resolve();
    const hold = (until: Promise<unknown>): void => {
      held = until;
    };
    try {
      return await this.#deliver(transaction, draft, { since: this.#deps.clock.elapsed(), hold });
    } finally {
      void held.then(() => this.dropped(transaction));
    }
  }

  dropped(transaction: Transaction): void {
    this.#drafts.get(transaction)?.message.release();
    this.#drafts.delete(transaction);
  }

  /** Undefined for an address that is no rewritten reverse-path. */
  #return({ from }: Transaction, original: Address): Return | undefined {
    const found = this.#deps.returnPath?.(original) ?? { kind: "none" };
    if (found.kind === "none") return undefined;
    const reply = found.kind === "invalid" ? notOurs : from !== null ? bouncesOnly : undefined;
    const facts = { session: this.#session.id, recipient: original.text };
    if (reply !== undefined || found.kind === "invalid") {
      this.#deps.log.info("forward.bounced", { ...facts, reply });
      return { kind: "refuse", reply: reply ?? notOurs };
    }
    this.#deps.log.info("forward.bounced", { ...facts, to: found.address.text });
    return { kind: "return", forward: { address: found.address, original } };
  }

  #find(address: Recipient["address"]): Promise<Found> {
    return this.#deps.findBox(address).catch(unavailable);
  }

  #withoutForwards(parcels: readonly Parcel[], facts: ForwardFacts): Promise<Parcel[]> {
    return withoutForwards(parcels, facts, this.#deps).catch(unavailable);
  }

  async #deliver(transaction: Transaction, draft: Draft, client: Client): Promise<Decision> {
    if (draft.message.full) return refuse(noRoom);
    const message = parseMessage(draft.message.take());
    if (hopCount(message) >= MAX_HOPS) return refuse(replies.mailLoop);
    const checked = await this.#checkSender(transaction, message);
    if (checked.kind === "refuse") return checked;
    const { hostname, clock, drop } = this.#deps;
    const now = new Date(clock.now());
    const received = receivedField({ session: this.#session, transaction, hostname, now });
    const fields = withoutForged(message.fields, [hostname]);
    const above = Buffer.from(received + checked.fields);
    const body = Buffer.concat([
      above,
      formatMessage({ fields: [...checked.marks, ...fields], body: message.body }),
    ]);
    const header = body.subarray(0, body.length - message.body.length);
    const { from, parameters } = transaction;
    const smtputf8 = parameters.smtputf8 === true && !isAscii(header);
    const { ret, envid } = parameters;
    const told = { ...(ret && { ret }), ...(envid !== undefined && { envid }) };
    const { proven } = checked;
    const { parcels, returns } = draft;
    // A bounce has no box of ours that could keep it.
    if (checked.inOurName && returns.size > 0) return refuse(checked.unsure ? unproven : inOurName);
    const id = this.#id(transaction);
    return drop(
      {
        ...{ id, from, proven, smtputf8, told, body },
        parcels: await this.#withoutForwards([...parcels.values()], {
          id,
          message,
          inOurName: checked.inOurName,
        }),
        returns: [...returns.values()],
      },
      client,
    );
  }

  async #checkSender({ from, number }: Transaction, message: Message): Promise<Judged> {
    const { senders, domains } = this.#deps;
    if (senders === undefined) {
      const named = namesOurs(authorOf(message.fields).domains, domains);
      return { kind: "pass", fields: "", marks: [], proven: false, inOurName: named, unsure: false };
    }
    const { clientAddress, helo = "" } = this.#session;
    const origin = { id: this.#id({ number }), ip: clientAddress, helo, from: from?.text ?? "" };
    const { facts, ...checked } = await senders.check(message, origin);
    const verdict = judgeSender(facts, senders.rules);
    if (verdict.kind === "refuse") return verdict;
    const marks = verdict.kind === "junk" ? [junkField()] : [];
    return { kind: "pass", ...checked, marks, unsure: facts.dnsFailed };
  }

  #id({ number }: Pick<Transaction, "number">): string {
    return `${this.#session.id}.${number}`;
  }

  #draft(transaction: Transaction): Draft {
    const draft = this.#drafts.get(transaction) ?? {
      parcels: new Map(),
      returns: new Map(),
      message: new Gathering(this.#deps.room, clientNetwork(this.#session.clientAddress)),
    };
    this.#drafts.set(transaction, draft);
    return draft;
  }
}
