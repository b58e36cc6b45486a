/** The policy of smtp-out's sessions: who sends, to whom, and that 250 means "on the disk". */
import { isAscii } from "node:buffer";
import type { SendingSettings } from "../contract.ts";
import { formatMessage, type Message, parseMessage } from "../message/header.ts";
import { authorsOf } from "../message/mailboxes.ts";
import type { Log } from "../net/log.ts";
import { Gathering, type Room } from "../net/room.ts";
import type { SessionHandler } from "../net/types.ts";
import { clientNetwork } from "../policy/client-network.ts";
import type { LocalRules } from "../policy/local-recipient.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../policy/recipient.ts";
import {
  type Authors,
  decideHeader,
  decideRecipient,
  decideSender,
  type Identity,
  type Listener,
  type SenderFacts,
  type Verdict,
} from "../policy/relay.ts";
import { type Queue, QueueFull } from "../queue/queue.ts";
import { destinationOf } from "../queue/route.ts";
import { parseAddress } from "../smtp/address.ts";
import { SmtpError } from "../smtp/error.ts";
import { reply } from "../smtp/replies.ts";
import type { Address, Decision, Recipient, Reply, SessionInfo, Transaction } from "../smtp/types.ts";
import type { ArcSealer } from "./arc.ts";
import type { DkimSigner } from "./dkim.ts";
import { findLocal } from "./find-local.ts";
import { limitReply, limitWarning } from "./limit-warning.ts";
import { type Known, type LoginDeps, logIn, revoked } from "./login.ts";
import { isLooping, prepare } from "./prepare.ts";
import { Recipients } from "./recipients.ts";
import type { SendingLimits } from "./sending-limits.ts";

export interface HandlerDeps extends LoginDeps {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly rules: LocalRules;
  readonly queue: Pick<Queue, "enqueue">;
  readonly signers: readonly DkimSigner[];
  /** Seals what is forwarded. */
  readonly sealer?: ArcSealer;
  readonly room: Room;
  readonly sending: { readonly settings: SendingSettings; readonly limits: SendingLimits };
  readonly newId: () => string;
  readonly log: Log;
}

const LOOP = reply(554, "5.4.6", "The message has passed too many servers: it runs in a circle");
const FULL = reply(452, "4.3.1", "There is no room for the message at the moment: try again later");
const QUEUE_FAILED = reply(451, "4.3.0", "The message could not be stored: try again later");
const LOOKUP_FAILED = reply(451, "4.4.3", "The recipient can't be looked up at the moment: try again later");

/** Makes the handlers of one listener's sessions. */
export function createHandler(
  listener: Listener,
  deps: HandlerDeps,
): (session: SessionInfo) => SessionHandler {
  return (session) => new Submission(listener, session, deps);
}

/** What is collected of one transaction. */
interface Draft {
  readonly message: Gathering;
  readonly recipients: Recipients;
}

class Submission implements SessionHandler {
  readonly #listener: Listener;
  readonly #session: SessionInfo;
  readonly #deps: HandlerDeps;
  readonly #drafts = new Map<Transaction, Draft>();
  #identity: Known | Extract<Identity, { kind: "nobody" }> = { kind: "nobody" };

  constructor(listener: Listener, session: SessionInfo, deps: HandlerDeps) {
    this.#listener = listener;
    this.#session = session;
    this.#deps = deps;
  }

  async auth(credentials: Parameters<typeof logIn>[0]): Promise<Decision> {
    const where = { listener: this.#listener, client: this.#session.clientAddress };
    const identity = await logIn(credentials, where, this.#deps);
    this.#identity = identity;
    return { kind: "authenticated", user: identity.kind === "person" ? identity.uid : credentials.user };
  }

  async mail(transaction: Transaction): Promise<Decision> {
    const verdict = decideSender(this.#facts(transaction));
    const { directory, log } = this.#deps;
    if (verdict.kind === "refuse" || this.#identity.kind !== "person") return verdict;
    const gone = await revoked(this.#identity, directory);
    if (gone === undefined) return verdict;
    log.warn("smtp.auth.revoked", { session: this.#session.id, user: this.#identity.uid });
    return { kind: "refuse", reply: gone };
  }

  async rcpt(transaction: Transaction, { address, parameters }: Recipient): Promise<Decision> {
    const facts = this.#facts(transaction);
    // Nobody learns who lives here before they may send.
    const sender = decideSender(facts);
    if (sender.kind === "refuse") return sender;
    const mailbox = this.#complete(address);
    const answer = await this.#find(mailbox);
    const recipient = answer === "foreign" ? answer : answer.kind;
    const verdict = decideRecipient({ ...facts, recipient });
    if (verdict.kind === "accept") {
      // smtp-in says so of whom it forwards mail.
      const original = this.#listener === "relay" ? parameters.orcpt?.address : undefined;
      this.#add(transaction, { address: mailbox, original }, answer);
    }
    return verdict;
  }

  chunk(transaction: Transaction, bytes: Uint8Array): void {
    this.#draft(transaction).message.add(bytes);
  }

  async message(transaction: Transaction): Promise<Decision> {
    try {
      return await this.#accept(transaction, this.#draft(transaction));
    } finally {
      this.dropped(transaction);
    }
  }

  dropped(transaction: Transaction): void {
    this.#drafts.get(transaction)?.message.release();
    this.#drafts.delete(transaction);
  }

  async #accept(transaction: Transaction, draft: Draft): Promise<Decision> {
    const { clock, newId, queue, log } = this.#deps;
    if (draft.message.full) return { kind: "refuse", reply: FULL };
    const message = parseMessage(draft.message.take());
    const authors = authorsOf(message.fields);
    const verdict = this.#judge(message, authors);
    if (verdict.kind === "refuse") return verdict;
    const limited = await this.#limit(draft);
    if (limited !== undefined) return { kind: "refuse", reply: limited };
    const id = newId();
    const body = await this.#finish(message, authors, id);
    const header = body.subarray(0, body.length - message.body.length);
    const { from, parameters } = transaction;
    const recipients = draft.recipients.all();
    const texts = [from?.text ?? "", ...recipients.map(({ address }) => address)];
    const wide = !isAscii(header) || texts.some((text) => !isAscii(Buffer.from(text)));
    const envelope = {
      from: from?.text ?? "",
      eightBit: !isAscii(message.body),
      smtputf8: parameters.smtputf8 === true && wide,
    };
    try {
      await queue.enqueue({ id, created: clock.now(), envelope, recipients, body });
    } catch (error) {
      throw new SmtpError(error instanceof QueueFull ? FULL : QUEUE_FAILED, error);
    }
    const { id: session, user } = this.#session;
    log.info("queue.accepted", {
      item: id,
      session,
      user,
      from: envelope.from,
      to: texts.slice(1),
      size: body.length,
    });
    return { kind: "accept", reply: reply(250, "2.0.0", `Queued as ${id}`) };
  }

  /** Undefined, or that the person has sent enough for now: then the postmaster hears of it, once a day. */
  async #limit({ recipients }: Draft): Promise<Reply | undefined> {
    if (this.#identity.kind !== "person") return undefined;
    const { sending, queue, log, newId, clock, hostname, domains } = this.#deps;
    const { uid } = this.#identity;
    const addresses = recipients.all().map(({ address }) => address);
    const limit = sending.limits.take(uid, addresses);
    if (limit === undefined) return undefined;
    log.warn("smtp.sending.limited", { user: uid, session: this.#session.id, limit });
    if (sending.limits.firstToday(uid)) {
      const facts = { uid, limit, limits: sending.settings, hostname, domain: domains[0] ?? hostname };
      const warning = limitWarning({ ...facts, id: newId(), now: clock.now() });
      await queue.enqueue(warning).catch((error: unknown) => log.error("queue.error", { error }));
    }
    return limitReply(limit, sending.settings);
  }

  #judge(message: Message, authors: Authors): Verdict {
    if (isLooping(message)) return { kind: "refuse", reply: LOOP };
    return decideHeader(this.#identity, authors, this.#deps.rules.tagSeparator);
  }

  async #finish(message: Message, authors: Authors, queueId: string): Promise<Buffer> {
    const { hostname, clock, signers, sealer } = this.#deps;
    const now = new Date(clock.now());
    const kind = this.#identity.kind === "person" ? "submitted" : "forwarded";
    const prepared = prepare(message, { hostname, queueId, now, session: this.#session, kind });
    if (kind === "forwarded") {
      const seal = sealer === undefined ? [] : await sealer(prepared, now);
      return formatMessage({ ...prepared, fields: [...seal, ...prepared.fields] });
    }
    const domain = authors.kind === "clear" ? authors.from[0]?.split("@").at(-1) : undefined;
    const signer = signers.find((candidate) => candidate.domain === domain);
    const signature = signer === undefined ? [] : await signer.sign(prepared, now);
    return formatMessage({ ...prepared, fields: [...signature, ...prepared.fields] });
  }

  #facts({ from }: Transaction): SenderFacts {
    const path = from === null ? null : mailboxOf(from);
    const tls = this.#session.tls !== undefined;
    const { tagSeparator } = this.#deps.rules;
    const facts = { listener: this.#listener, tls, identity: this.#identity, from: path };
    return tagSeparator === undefined ? facts : { ...facts, tagSeparator };
  }

  async #find(address: Address): Promise<RecipientAnswer | "foreign"> {
    if (!this.#deps.domains.includes(address.domain)) return "foreign";
    try {
      return await findLocal(this.#deps.directory, address, this.#deps.rules);
    } catch (error) {
      throw error instanceof DirectoryUnavailable ? new SmtpError(LOOKUP_FAILED, error) : error;
    }
  }

  /** RFC 5321 section 4.5.1: `<postmaster>` alone is ours. */
  #complete(address: Address): Address {
    const domain = this.#deps.domains[0];
    if (address.domain !== "" || domain === undefined) return address;
    return { local: address.local, domain, text: `${address.text}@${domain}` };
  }

  #add(
    transaction: Transaction,
    { address, original }: { readonly address: Address; readonly original: string | undefined },
    answer: RecipientAnswer | "foreign",
  ): void {
    const { recipients } = this.#draft(transaction);
    const add = (to: Address, name: string | undefined) => {
      const destination = destinationOf(to, this.#deps.domains);
      const named = name === undefined ? {} : { original: name };
      recipients.add(`${destination} ${mailboxOf(to)}`, { address: to.text, destination, ...named });
    };
    add(address, original);
    if (answer === "foreign" || answer.kind === "absent" || answer.forward === undefined) return;
    const forward = parseAddress(answer.forward, { utf8: true });
    if (forward === undefined) this.#deps.log.warn("forward.failed", { for: answer.uid, to: answer.forward });
    else add(forward, original ?? address.text);
  }

  #draft(transaction: Transaction): Draft {
    const known = this.#drafts.get(transaction) ?? {
      message: new Gathering(this.#deps.room, clientNetwork(this.#session.clientAddress)),
      recipients: new Recipients(),
    };
    this.#drafts.set(transaction, known);
    return known;
  }
}

/** As LDAP and people write it: lower case, not quoted. */
function mailboxOf({ local, domain }: Address): string {
  return `${local.toLowerCase()}@${domain}`;
}
