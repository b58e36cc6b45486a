/** Hands a received message on: to the person's forward address first, then into their box. */
import { isAscii } from "node:buffer";
import type { BoxCourier } from "../courier/lmtp.ts";
import type { Delivery, Result } from "../courier/types.ts";
import { deliver } from "../net/client.ts";
import { describeReply } from "../net/consult.ts";
import type { Log } from "../net/log.ts";
import type { ClientTimeouts } from "../net/types.ts";
import type { RecipientAnswer } from "../policy/recipient.ts";
import type { Clock } from "../queue/clock.ts";
import { parseAddress } from "../smtp/address.ts";
import * as replies from "../smtp/replies.ts";
import type { Address, Outcome, ReversePath } from "../smtp/types.ts";

/** A box as the directory named it. */
export type Box = RecipientAnswer & { readonly kind: "box" };

/** A message for one box. */
export interface Parcel {
  /** For the log: session and transaction. */
  readonly id: string;
  readonly from: ReversePath;
  /** The address by which the person was reached. */
  readonly recipient: Address;
  readonly box: Box;
  readonly body: Buffer;
}

export interface MailDropDeps {
  readonly hostname: string;
  /** smtp-out's internal listener. */
  readonly relay: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
  };
  readonly courier: BoxCourier;
  readonly clock: Clock;
  readonly log: Log;
  readonly timeouts: Partial<ClientTimeouts>;
  /** How long a box that does not listen is tried again: one that restarts refuses nobody. */
  readonly patienceMs: number;
}

/** Takes responsibility for a parcel, or says why not. */
export type MailDrop = (parcel: Parcel) => Promise<Outcome>;

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 800;

const forwardRefused = replies.reply(
  554,
  "5.7.1",
  "The address to which this person forwards their mail refused the message",
);
const forwardWaits = replies.reply(451, "4.4.0", "The message can't be forwarded now, try again later");
const boxWaits = replies.reply(451, "4.3.0", "The mailbox can't be reached now, try again later");

/** Makes the drop. */
export function createMailDrop(deps: MailDropDeps): MailDrop {
  return async (parcel) => {
    // First the forward: a copy too many after a second try is better than one that nobody sends again.
    const forwarded = await forward(parcel, deps);
    return forwarded?.kind === "temporary" || forwarded?.kind === "permanent"
      ? forwarded
      : dropIntoBox(parcel, deps);
  };
}

function facts({ id, box, recipient, from }: Parcel): Record<string, unknown> {
  return { message: id, box: box.uid, recipient: recipient.text, from: from?.text ?? "" };
}

async function forward(parcel: Parcel, deps: MailDropDeps): Promise<Outcome | undefined> {
  const { forward: target } = parcel.box;
  if (target === undefined) return undefined;
  const address = parseAddress(target, { utf8: true });
  const outcome = address ? await relay(parcel, address, deps) : undefined;
  const known = { ...facts(parcel), forward: target };
  if (outcome?.kind === "delivered") {
    deps.log.info("forward.accepted", known);
    return outcome;
  }
  deps.log.warn("forward.failed", outcome ? { ...known, ...describeReply(outcome.reply) } : known);
  if (outcome?.kind === "permanent") return { kind: "permanent", reply: forwardRefused };
  return { kind: "temporary", reply: forwardWaits };
}

async function relay(parcel: Parcel, to: Address, deps: MailDropDeps): Promise<Outcome | undefined> {
  const { hostname, timeouts } = deps;
  const { host, port, user, password } = deps.relay;
  const report = await deliver(
    // The internal network carries it, so the password goes in clear text.
    { host, port, session: { protocol: "smtp", hostname, tls: "never", auth: { user, password } }, timeouts },
    { ...delivery(parcel, to), size: parcel.body.length },
    parcel.body,
  );
  if (report.kind === "done") return report.outcomes[0];
  // Before the envelope every refusal is our own trouble.
  return { kind: "temporary", reply: report.failure.reply };
}

function delivery({ from, body }: Parcel, to: Address): Delivery {
  const addresses = `${from?.text ?? ""}${to.text}`;
  return {
    from,
    recipients: [to],
    body,
    eightBit: !isAscii(body),
    // A header in UTF-8 is the mailbox's to show; only an address in UTF-8 needs the extension on the way.
    smtputf8: !isAscii(Buffer.from(addresses)),
  };
}

/** Nobody listened: nothing was sent, so another try can't deliver twice. */
const neverConnected = ({ reply }: Result): boolean => reply === replies.noAnswer;

/** The box's 421 ends its session with us, not ours with the client. */
function inSession({ kind, reply }: Outcome): Outcome {
  return { kind, reply: reply.code === 421 ? { ...reply, code: 451 } : reply };
}

async function dropIntoBox(parcel: Parcel, deps: MailDropDeps): Promise<Outcome> {
  const { courier, clock, log } = deps;
  const until = clock.now() + deps.patienceMs;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    const [result] = await courier(parcel.box.host, delivery(parcel, parcel.recipient));
    const found = result ?? { kind: "temporary", reply: replies.localError };
    if (!neverConnected(found)) return report(parcel, inSession(found), log);
    if (clock.now() + wait > until) return { kind: "temporary", reply: boxWaits };
    await new Promise<void>((resolve) => {
      clock.after(wait, resolve);
    });
  }
}

function report(parcel: Parcel, outcome: Outcome, log: Log): Outcome {
  if (outcome.kind === "delivered") log.info("lmtp.delivered", facts(parcel));
  else log.warn("lmtp.refused", { ...facts(parcel), ...describeReply(outcome.reply) });
  return outcome;
}
