/** The policy of smtp-out's sessions: who sends, to whom, and that 250 means "on the disk". */
import type { Directory } from "../directory/directory.ts";
import { formatMessage, type Message, parseMessage } from "../message/header.ts";
import { authorsOf } from "../message/mailboxes.ts";
import { Gathering, type Room } from "../net/room.ts";
import type { SessionHandler } from "../net/types.ts";
import { clientNetwork } from "../policy/client-network.ts";
import type { LocalRules } from "../policy/local-recipient.ts";
import type { DetailRules } from "../policy/own-address.ts";
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
import type { Clock } from "../queue/clock.ts";
import { QueueFull } from "../queue/queue.ts";
import { parseEnvelopeAddress } from "../smtp/address.ts";
import { SmtpError } from "../smtp/error.ts";
import { reply } from "../smtp/replies.ts";
import type { Address, Decision, Recipient, Reply, SessionInfo, Transaction } from "../smtp/types.ts";
import type { ArcSealer } from "./arc.ts";
import type { DkimSigner } from "./dkim.ts";
import { findLocal, holderOf, wayOf } from "./find-local.ts";
import { type Known, type LoginDeps, logIn, revoked } from "./login.ts";
import { othersAmong } from "./others.ts";
import { mailboxOf, type Place, placeOfPerson, placesOf } from "./places.ts";
import { envelopeOf, isLooping, prepare } from "./prepare.ts";
import { checkMessage, checkRecipient, countMessage, PORTAL, type QuotaDeps, type Sender } from "./quota.ts";
import { Recipients } from "./recipients.ts";

export interface HandlerDeps extends LoginDeps, QuotaDeps {
  readonly directory: Directory;
  readonly rules: LocalRules;
  /** All names of ours, in Authentication-Results too. */
  readonly ownNames: readonly string[];
  readonly signers: readonly DkimSigner[];
  /** Seals what is forwarded. */
  readonly sealer?: ArcSealer;
  /** The Received field of what people send tells their address and the name of their machine. */
  readonly showClient: boolean;
  readonly room: Room;
  readonly clock: Clock;
}

const LOOP = reply(554, "5.4.6", "The message has passed too many servers: it runs in a circle");
const FULL = reply(452, "4.3.1", "There is no room for the message at the moment: try again later");
const QUEUE_FAILED = reply(451, "4.3.0", "The message could not be stored: try again later");
const LOOKUP_FAILED = reply(451, "4.4.3", "The recipient can't be looked up at the moment: try again later");

function lookupFailed(error: unknown): never {
  throw error instanceof DirectoryUnavailable ? new SmtpError(LOOKUP_FAILED, error) : error;
}

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
  /** Whom the client named: to where those forward their mail is theirs to know, and counted for nobody. */
  readonly named: Set<string>;
  /** Those to whom the person has not written before. */
  readonly fresh: Set<string>;
}

type Counted = Awaited<ReturnType<typeof countMessage>>;

class Submission implements SessionHandler {
  readonly #listener: Listener;
  readonly #session: SessionInfo;
  readonly #deps: HandlerDeps;
  readonly #drafts = new Map<Transaction, Draft>();
  /** Addresses that look like the sender's own, by their separator, and are somebody else's. */
  readonly #others = new WeakMap<Transaction, ReadonlySet<string>>();
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
    const { directory, log } = this.#deps;
    const from = transaction.from === null ? [] : [mailboxOf(transaction.from)];
    this.#others.set(transaction, await this.#othersAmong(from));
    const verdict = decideSender(this.#facts(transaction));
    if (verdict.kind === "refuse" || this.#identity.kind !== "person") return verdict;
    const { uid } = this.#identity;
    const gone = await revoked(this.#identity, directory);
    if (gone !== undefined) {
      log.warn("smtp.auth.revoked", { session: this.#session.id, user: uid });
      return { kind: "refuse", reply: gone };
    }
    const limited = await checkMessage({ uid, session: this.#session.id }, this.#deps);
    return limited === undefined ? verdict : { kind: "refuse", reply: limited };
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
    if (verdict.kind === "refuse") return verdict;
    const draft = this.#draft(transaction);
    const limited = await this.#limitRecipients(draft, mailbox.text);
    if (limited !== undefined) return { kind: "refuse", reply: limited };
    draft.named.add(mailbox.text);
    const served = this.#listener === "relay" ? await this.#holder(parameters.orcpt?.address) : undefined;
    if (served !== undefined) draft.recipients.leaveOut(placeOfPerson(served));
    for (const place of await this.#places({ address: mailbox, parameters }, answer)) {
      draft.recipients.add(place);
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
    const verdict = await this.#judge(message, authors);
    if (verdict.kind === "refuse") return verdict;
    const recipients = draft.recipients.all();
    const id = newId();
    const body = await this.#finish(message, authors, { queueId: id, transaction });
    const to = recipients.map(({ address }) => address);
    const header = body.subarray(0, body.length - message.body.length);
    const envelope = envelopeOf(transaction, { header, body: message.body });
    const counted = await this.#count(draft);
    if (counted?.kind === "refused") return { kind: "refuse", reply: counted.reply };
    try {
      await queue.enqueue({ id, created: clock.now(), envelope, recipients, body });
    } catch (error) {
      counted?.giveBack();
      throw new SmtpError(error instanceof QueueFull ? FULL : QUEUE_FAILED, error);
    }
    const { id: session, user } = this.#session;
    log.info("queue.accepted", {
      item: id,
      session,
      user,
      from: envelope.from,
      to,
      size: body.length,
    });
    return { kind: "accept", reply: reply(250, "2.0.0", `Queued as ${id}`) };
  }

  async #limitRecipients({ fresh }: Draft, address: string): Promise<Reply | undefined> {
    const sender = this.#sender();
    return sender && checkRecipient({ address, fresh }, sender, this.#deps);
  }

  async #count({ named }: Draft): Promise<Counted | undefined> {
    const sender = this.#sender();
    return sender && countMessage([...named], sender, this.#deps);
  }

  /** Who is held to limits; undefined for smtp-in: what it forwards is counted nowhere. */
  #sender(): Sender | undefined {
    const { kind } = this.#identity;
    if (kind === "portal") return { uid: PORTAL, session: this.#session.id };
    return kind === "person" ? { uid: this.#identity.uid, session: this.#session.id } : undefined;
  }

  async #judge(message: Message, authors: Authors): Promise<Verdict> {
    if (isLooping(message)) return { kind: "refuse", reply: LOOP };
    const named =
      authors.kind === "clear" ? [...authors.from, ...authors.others.map(({ address }) => address)] : [];
    return decideHeader(this.#identity, authors, this.#details(await this.#othersAmong(named)));
  }

  #othersAmong(used: readonly string[]): Promise<ReadonlySet<string>> {
    const { directory, rules } = this.#deps;
    return othersAmong(used, this.#identity, { directory, tagSeparator: rules.tagSeparator });
  }

  #details(others: ReadonlySet<string>): DetailRules {
    const { tagSeparator } = this.#deps.rules;
    return { others, ...(tagSeparator !== undefined && { tagSeparator }) };
  }

  async #finish(
    message: Message,
    authors: Authors,
    { queueId, transaction }: { readonly queueId: string; readonly transaction: Transaction },
  ): Promise<Buffer> {
    const { hostname, ownNames, showClient, clock, signers, sealer } = this.#deps;
    const now = new Date(clock.now());
    const kind = this.#identity.kind === "service" ? "forwarded" : "submitted";
    const { parameters } = transaction;
    const facts = { hostname, ownNames, queueId, now, session: this.#session, parameters };
    const prepared = prepare(message, { ...facts, kind, showClient });
    if (kind === "forwarded" && !this.#isOurs(transaction)) {
      const seal = sealer === undefined ? [] : await sealer(prepared, now);
      return formatMessage({ ...prepared, fields: [...seal, ...prepared.fields] });
    }
    const domain = authors.kind === "clear" ? authors.from[0]?.split("@").at(-1) : undefined;
    const signer = signers.find((candidate) => candidate.domain === domain);
    const signature = signer === undefined ? [] : await signer.sign(prepared, now);
    return formatMessage({ ...prepared, fields: [...signature, ...prepared.fields] });
  }

  /** A notification that smtp-in wrote. What it forwards always says for whom (ORCPT), even a bounce of strangers; its own notifications never do. */
  #isOurs({ from, recipients }: Transaction): boolean {
    return (
      this.#identity.kind === "service" &&
      from === null &&
      recipients.every(({ parameters }) => parameters.orcpt === undefined)
    );
  }

  #facts(transaction: Transaction): SenderFacts {
    const { from } = transaction;
    const path = from === null ? null : mailboxOf(from);
    const tls = this.#session.tls !== undefined;
    const details = this.#details(this.#others.get(transaction) ?? new Set());
    return { listener: this.#listener, tls, identity: this.#identity, from: path, ...details };
  }

  async #find(address: Address): Promise<RecipientAnswer | "foreign"> {
    if (!this.#deps.domains.includes(address.domain)) return "foreign";
    return findLocal(this.#deps.directory, address, this.#deps.rules).catch(lookupFailed);
  }

  /** Whose box has the message already, since smtp-in sends it on from there. */
  async #holder(original: string | undefined): Promise<string | undefined> {
    const address = original === undefined ? undefined : parseEnvelopeAddress(original);
    return address && holderOf(address, this.#deps).catch(lookupFailed);
  }

  /** RFC 5321 section 4.5.1: `<postmaster>` alone is ours. */
  #complete(address: Address): Address {
    const domain = this.#deps.domains[0];
    if (address.domain !== "" || domain === undefined) return address;
    return { local: address.local, domain, text: `${address.text}@${domain}` };
  }

  /** Where mail for a recipient goes: to them, and to where they forward it. */
  async #places({ address, parameters }: Recipient, answer: RecipientAnswer | "foreign"): Promise<Place[]> {
    // smtp-in says by ORCPT for whom it forwards mail; a person's says what they call the recipient.
    const relayed = this.#listener === "relay";
    const { notify, orcpt } = parameters;
    const named = relayed ? { ...(orcpt && { original: orcpt.address }) } : { ...(orcpt && { orcpt }) };
    const way = answer === "foreign" ? {} : await wayOf(answer, this.#deps).catch(lookupFailed);
    return placesOf({ address, ...(notify && { notify }), ...named }, way, this.#deps.domains);
  }

  #draft(transaction: Transaction): Draft {
    const known = this.#drafts.get(transaction) ?? {
      message: new Gathering(this.#deps.room, clientNetwork(this.#session.clientAddress)),
      recipients: new Recipients(),
      named: new Set<string>(),
      fresh: new Set<string>(),
    };
    this.#drafts.set(transaction, known);
    return known;
  }
}
