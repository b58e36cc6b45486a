/** The arguments of MAIL and RCPT: path and parameters, RFC 5321 sections 4.1.1.2, 4.1.1.3 and 4.1.2. */
import { fitsDns, isAscii, makeAddress, type Parsed, parseMailbox, skipSourceRoute } from "./address.ts";
import { decodeXtext, readEnvid, readNotify, readOrcpt, readRet } from "./dsn-parameters.ts";
import * as replies from "./replies.ts";
import type { Address, MailParameters, RcptParameters, Recipient, Reply, ReversePath } from "./types.ts";

/** A value, or the reply that refuses it. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reply: Reply };

/** A checked value that is right. */
export const ok = <T>(value: T): Checked<T> => ({ ok: true, value });
/** A refusal. */
export const no = (reply: Reply): Checked<never> => ({ ok: false, reply });

/** What the transaction allows in the arguments of RCPT. */
export interface RcptRules {
  readonly extended: boolean;
  /** MAIL had SMTPUTF8. */
  readonly smtputf8: boolean;
  readonly dsn: boolean;
}

/** What the session allows in the arguments of MAIL. */
export interface ArgumentRules {
  /** The client said EHLO or LHLO. */
  readonly extended: boolean;
  /** AUTH is offered in this session, so MAIL may carry AUTH=. */
  readonly auth: boolean;
  /** DSN is offered. */
  readonly dsn: boolean;
  readonly binaryMime: boolean;
  readonly smtpUtf8: boolean;
  readonly messageBytes: number;
}

/** The part after `FROM:` or `TO:`; spaces after the colon are forgiven. */
function afterKeyword(argument: string, keyword: "FROM" | "TO"): string | undefined {
  const match = /^([A-Za-z]+)[ \t]*:[ \t]*/.exec(argument);
  return match?.[1]?.toUpperCase() === keyword ? argument.slice(match[0].length) : undefined;
}

/** `<…>` at the start of a text: null for `<>`, undefined when it is wrong. */
function parsePath(text: string): Parsed<ReversePath> | undefined {
  if (text.startsWith("<>")) return { value: null, end: 2 };
  const mailbox = parseMailbox(text, skipSourceRoute(text, 1));
  if (!mailbox || text[mailbox.end] !== ">") return undefined;
  return { value: mailbox.value, end: mailbox.end + 1 };
}

/** `KEY=value` words; undefined when they are no esmtp-params. */
function parseParameters(text: string): ReadonlyMap<string, string | undefined> | undefined {
  const found = new Map<string, string | undefined>();
  if (text !== "" && !/^[ \t]/.test(text)) return undefined;
  for (const word of text.split(/[ \t]+/).filter((part) => part !== "")) {
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u{80}-\u{10ffff}]+))?$/u.exec(word);
    const key = match?.[1]?.toUpperCase();
    if (key === undefined || found.has(key)) return undefined;
    found.set(key, match?.[2]);
  }
  return found;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type ReadParameter<T, R> = (into: Mutable<T>, value: string | undefined, rules: R) => Reply | undefined;
type Table<T, R> = ReadonlyMap<string, ReadParameter<T, R>>;

/** A parameter of DSN: unknown where that is not offered, else as `read` finds its value. */
function dsnParameter<T, K extends keyof T, R extends { readonly dsn: boolean }>(
  name: string,
  key: K,
  read: (value: string, rules: R) => T[K] | undefined,
): [string, ReadParameter<T, R>] {
  return [
    name,
    (into, value, rules) => {
      if (!rules.dsn) return replies.unknownParameter(name);
      const found = value === undefined ? undefined : read(value, rules);
      if (found === undefined) return replies.badParameter(name);
      into[key] = found;
      return undefined;
    },
  ];
}

/** The parameters of MAIL that we know. */
const MAIL_PARAMETERS: Table<MailParameters, ArgumentRules> = new Map([
  dsnParameter("RET", "ret", readRet),
  dsnParameter("ENVID", "envid", readEnvid),
  [
    "SIZE",
    (into, value, rules) => {
      if (value === undefined || !/^[0-9]{1,20}$/.test(value)) return replies.badParameter("SIZE");
      into.size = Number(value);
      // RFC 1870 section 6.1: refuse at MAIL what is declared too large.
      return into.size > rules.messageBytes ? replies.messageTooLarge(rules.messageBytes) : undefined;
    },
  ],
  [
    "BODY",
    (into, value, rules) => {
      const body = value?.toUpperCase();
      const binary = body === "BINARYMIME" && rules.binaryMime;
      if (body !== "7BIT" && body !== "8BITMIME" && !binary) return replies.badParameter("BODY");
      into.body = body;
      return undefined;
    },
  ],
  [
    "SMTPUTF8",
    (into, value, rules) => {
      if (!rules.smtpUtf8) return replies.unknownParameter("SMTPUTF8");
      if (value !== undefined) return replies.badParameter("SMTPUTF8");
      into.smtputf8 = true;
      return undefined;
    },
  ],
  [
    "AUTH",
    (into, value, rules) => {
      if (!rules.auth) return replies.unknownParameter("AUTH");
      const name = value === undefined ? undefined : decodeXtext(value);
      if (name === undefined) return replies.badParameter("AUTH");
      into.auth = name;
      return undefined;
    },
  ],
]);

/** The parameters of RCPT that we know. */
const RCPT_PARAMETERS: Table<RcptParameters, RcptRules> = new Map([
  dsnParameter("NOTIFY", "notify", readNotify),
  dsnParameter("ORCPT", "orcpt", (value, rules) => readOrcpt(value, rules.smtputf8)),
]);

function readParameters<T extends object, R extends { readonly extended: boolean }>(
  text: string,
  table: Table<T, R>,
  rules: R,
): Checked<Partial<T>> {
  const words = parseParameters(text);
  if (!words) return no(replies.badParameters);
  const parameters = {} as Mutable<T>;
  for (const [key, value] of words) {
    const read = rules.extended ? table.get(key) : undefined;
    // RFC 5321 section 4.1.1.11: 555 for parameters that we do not know (none after HELO).
    if (!read) return no(replies.unknownParameter(key));
    const refusal = read(parameters, value, rules);
    if (refusal) return no(refusal);
  }
  return ok(parameters);
}

/** Reads what follows `MAIL`. */
export function parseMail(
  argument: string,
  rules: ArgumentRules,
): Checked<{ readonly from: ReversePath; readonly parameters: MailParameters }> {
  const rest = afterKeyword(argument, "FROM");
  if (rest === undefined) return no(replies.mailSyntax);
  if (!rest.startsWith("<")) return no(replies.mailBrackets);
  const path = parsePath(rest);
  if (!path) return no(replies.badSender);
  const parameters = readParameters(rest.slice(path.end), MAIL_PARAMETERS, rules);
  if (!parameters.ok) return parameters;
  const from = path.value;
  if (from !== null && !isAscii(from.text) && parameters.value.smtputf8 !== true)
    return no(replies.needsUtf8);
  return ok({ from, parameters: parameters.value });
}

/** `<postmaster>` without domain must be accepted, RFC 5321 section 4.1.1.3. */
function parseForwardPath(text: string): Parsed<Address> | undefined {
  const postmaster = /^<(postmaster)>/i.exec(text);
  if (postmaster) return { value: makeAddress(postmaster[1] ?? "", ""), end: postmaster[0].length };
  const path = parsePath(text);
  return path && path.value !== null ? { value: path.value, end: path.end } : undefined;
}

/** Reads what follows `RCPT`. */
export function parseRcpt(argument: string, rules: RcptRules): Checked<Recipient> {
  const rest = afterKeyword(argument, "TO");
  if (rest === undefined) return no(replies.rcptSyntax);
  if (!rest.startsWith("<")) return no(replies.rcptBrackets);
  const path = parseForwardPath(rest);
  if (!path) return no(replies.badRecipient);
  const parameters = readParameters(rest.slice(path.end), RCPT_PARAMETERS, rules);
  if (!parameters.ok) return parameters;
  if (!isAscii(path.value.text) && !rules.smtputf8) return no(replies.needsUtf8);
  // RFC 6531 section 3.2: a domain is looked up as A-labels. One without is told at once, not when all attempts are over.
  if (!fitsDns(path.value)) return no(replies.impossibleDomain);
  return ok({ address: path.value, parameters: parameters.value });
}
