/** What smtp-out changes in a message before it is queued. Pure. */
import { isAscii } from "node:buffer";
import { type Field, type Message, makeField } from "../message/header.ts";
import { addressLiteral, transmission, withoutForged } from "../message/trace.ts";
import type { NewItem } from "../queue/item.ts";
import { rfc5322Date } from "../smtp/date.ts";
import type { SessionInfo, Transaction } from "../smtp/types.ts";

export interface PrepareFacts {
  /** Ours. */
  readonly hostname: string;
  /** All of ours, under which nobody else may say what was found of a sender. */
  readonly ownNames: readonly string[];
  readonly queueId: string;
  readonly now: Date;
  readonly session: Pick<SessionInfo, "protocol" | "helo" | "clientAddress">;
  /** Of MAIL. */
  readonly parameters: Transaction["parameters"];
  /** Submitted by a person, or forwarded by a daemon of ours. */
  readonly kind: "submitted" | "forwarded";
  /** A submission tells where it came from, too. */
  readonly showClient: boolean;
}

/** Trace fields beyond this are a loop (RFC 5321 section 6.3 asks for 100 at least). */
const MAX_RECEIVED = 100;

export function isLooping(message: Message): boolean {
  return message.fields.filter(({ name }) => name === "received").length >= MAX_RECEIVED;
}

/**
 * With our Received field; a submission is also completed (RFC 6409 section 8) and loses its Bcc, and what speaks in our
 * name: a colleague's box gets it from here, and not by way of smtp-in, which removes that from all other mail.
 */
export function prepare(message: Message, facts: PrepareFacts): Message {
  const received = makeField("Received", receivedValue(facts));
  if (facts.kind === "forwarded") return { ...message, fields: [received, ...message.fields] };
  return { ...message, fields: [received, ...complete(message.fields, facts)] };
}

/** RFC 5322 section 3.6.3: the Bcc must not reach the recipients. Return-Path is for the last server to add. */
const REMOVED = new Set(["bcc", "resent-bcc", "return-path"]);

function complete(fields: readonly Field[], { now, queueId, hostname, ownNames }: PrepareFacts): Field[] {
  const kept = withoutForged(fields, ownNames).filter(({ name }) => !REMOVED.has(name));
  const has = (wanted: string) => kept.some(({ name }) => name === wanted);
  if (!has("date")) kept.push(makeField("Date", rfc5322Date(now)));
  if (!has("message-id")) kept.push(makeField("Message-ID", `<${queueId}@${hostname}>`));
  return kept;
}

/**
 * RFC 5321 section 4.4. Where and with which machine a person writes is nobody's business: no `from` in
 * submissions unless the settings ask for it. And no `for`, which would show a Bcc recipient to the others.
 */
function receivedValue(facts: PrepareFacts): string {
  const { kind, showClient, session, parameters, hostname, queueId, now } = facts;
  const told = kind === "forwarded" || showClient;
  const from = told ? `from ${clean(session.helo)} (${addressLiteral(session.clientAddress)})\r\n\t` : "";
  return `${from}by ${hostname} with ${transmission(session, parameters)} id ${queueId};\r\n\t${rfc5322Date(now)}`;
}

/** What a client called itself never breaks out of its place. */
function clean(helo: string | undefined): string {
  return helo === undefined || !/^[\w.:[\]-]{1,255}$/.test(helo) ? "unknown" : helo;
}

interface Parts {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * What the next server is told of a message. SMTPUTF8 only where the header needs it and who sent it said so (RFC 6531
 * section 3.4): an address that needs it is no matter of the other recipients, who may be anywhere.
 */
export function envelopeOf({ from, parameters }: Transaction, { header, body }: Parts): NewItem["envelope"] {
  return {
    from: from?.text ?? "",
    eightBit: !isAscii(body),
    smtputf8: parameters.smtputf8 === true && !isAscii(header),
    ...(parameters.ret && { ret: parameters.ret }),
    ...(parameters.envid !== undefined && { envid: parameters.envid }),
  };
}
