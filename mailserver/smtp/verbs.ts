/**
 * The verbs as data: `check` looks at sequence and syntax and changes nothing; `proceed` has the effect. Between
 * them, where a policy has a say, the session asks it.
 */
import { type AuthStep, beginAuth, MECHANISM_NAMES } from "./auth.ts";
import { type ChunkArgument, parseChunkArgument } from "./chunk-reader.ts";
import { help } from "./help.ts";
import type { IntakeHost } from "./message-intake.ts";
import { type Checked, no, ok, parseMail, parseRcpt } from "./path.ts";
import * as replies from "./replies.ts";
import type { OpenTransaction } from "./transaction.ts";
import type { MailParameters, Reply, ReversePath, ServerOptions, SessionInfo } from "./types.ts";

/** What a verb sees of the session. */
export interface View {
  readonly options: ServerOptions;
  readonly info: SessionInfo;
  /** EHLO or LHLO was accepted, so parameters may be used. */
  readonly extended: boolean;
  readonly transaction: OpenTransaction | undefined;
  /** Transactions of this connection so far. */
  readonly transactions: number;
}

/** What a verb may do to the session. */
export interface Control extends Pick<IntakeHost, "reply" | "ask" | "reset"> {
  setHelo(name: string, extended: boolean): void;
  /** A transaction that is not yet the session's. */
  draft(from: ReversePath, parameters: MailParameters): OpenTransaction;
  open(transaction: OpenTransaction): void;
  startData(transaction: OpenTransaction): void;
  /** The octets of a chunk follow: they belong to the transaction. */
  startChunk(transaction: OpenTransaction, chunk: ChunkArgument): void;
  /** The octets of a chunk follow: they are read away, then this is said. */
  skipChunk(octets: number, refusal: Reply): void;
  startTls(): void;
  auth(step: AuthStep): void;
}

/** Sequence and syntax first; what it gives has the effect. */
export type Verb = (view: View, argument: string) => Checked<(control: Control) => void>;

/** A verb in its two parts. */
function verb<T>(parts: {
  readonly check: (view: View, argument: string) => Checked<T>;
  readonly proceed: (control: Control, value: T, view: View) => void;
}): Verb {
  return (view, argument) => {
    const checked = parts.check(view, argument);
    if (!checked.ok) return checked;
    return ok((control) => parts.proceed(control, checked.value, view));
  };
}

const helloVerb = (options: ServerOptions): "EHLO" | "LHLO" =>
  options.protocol === "lmtp" ? "LHLO" : "EHLO";

/** AUTH may be used now. */
export function authOffered({ options, info }: View): boolean {
  return options.auth === "always" || (options.auth === "tls" && info.tls !== undefined);
}

/** RFC 9422 section 4 */
function limitWords({ recipients, transactions }: ServerOptions["limits"]): string[] {
  return [...(transactions === undefined ? [] : [`MAILMAX=${transactions}`]), `RCPTMAX=${recipients}`];
}

/** RFC 5321 section 4.1.1.1: what EHLO offers. A list, so that further extensions are a line each. */
function offeredExtensions(view: View): string[] {
  const { options, info } = view;
  return [
    "PIPELINING",
    `SIZE ${options.limits.messageBytes}`,
    ...(options.startTls && info.tls === undefined ? ["STARTTLS"] : []),
    ...(authOffered(view) ? [`AUTH ${MECHANISM_NAMES.join(" ")}`] : []),
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    ...(options.smtpUtf8 === false ? [] : ["SMTPUTF8"]),
    "CHUNKING",
    ...(options.binaryMime === true ? ["BINARYMIME"] : []),
    ...(options.dsn === true ? ["DSN"] : []),
    `LIMITS ${limitWords(options.limits).join(" ")}`,
    ...(options.protocol === "smtp" ? ["HELP"] : []),
  ];
}

/** Printable and harmless in a Received header; underscores are common among real hosts. */
const HELO_NAME = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?|\[[A-Za-z0-9.:]{1,64}\])$/;

const hello = (extended: boolean): Verb =>
  verb({
    check: (_view, argument) => {
      const name = argument.trim();
      return HELO_NAME.test(name) ? ok(name) : no(replies.badHelo);
    },
    proceed: (control, name, view) =>
      control.ask({ kind: "helo", name, extended }, () => {
        // RFC 5321 section 4.1.4: a new EHLO drops the transaction.
        control.reset();
        control.setHelo(name, extended);
        const { hostname } = view.options;
        return extended
          ? replies.extensions(hostname, offeredExtensions(view))
          : replies.extensions(hostname, []);
      }),
  });

/** Who must log in before this verb, and has not. */
function missingLogin({ options, info }: View): Reply | undefined {
  if (!options.authRequired || info.user !== undefined) return undefined;
  return options.auth === "tls" && info.tls === undefined ? replies.startTlsFirst : replies.authRequired;
}

const mail: Verb = verb({
  check: (view, argument) => {
    if (view.info.helo === undefined) return no(replies.heloFirst(helloVerb(view.options)));
    const login = missingLogin(view);
    if (login) return no(login);
    if (view.transaction) return no(view.transaction.chunks ? replies.chunksBegun : replies.nestedMail);
    const { limits, dsn = false, binaryMime = false, smtpUtf8 = true } = view.options;
    if (view.transactions >= (limits.transactions ?? Number.POSITIVE_INFINITY)) {
      return no(replies.tooManyTransactions);
    }
    const { extended } = view;
    const { messageBytes } = limits;
    const auth = authOffered(view);
    return parseMail(argument, { extended, auth, dsn, binaryMime, smtpUtf8, messageBytes });
  },
  proceed: (control, { from, parameters }) => {
    const transaction = control.draft(from, parameters);
    control.ask({ kind: "mail", transaction }, () => {
      control.open(transaction);
      return replies.senderOk;
    });
  },
});

const rcpt: Verb = verb({
  check: ({ transaction, options, extended }, argument) => {
    if (!transaction) return no(replies.mailFirst);
    if (transaction.chunks) return no(replies.chunksBegun);
    const smtputf8 = transaction.parameters.smtputf8 === true;
    const recipient = parseRcpt(argument, { extended, smtputf8, dsn: options.dsn === true });
    if (!recipient.ok) return recipient;
    // RFC 5321 section 4.5.3.1.10: 452, so that the client sends the rest in another transaction.
    if (transaction.recipients.length >= options.limits.recipients) return no(replies.tooManyRecipients);
    return ok({ transaction, recipient: recipient.value });
  },
  proceed: (control, { transaction, recipient }) =>
    control.ask({ kind: "rcpt", transaction, recipient }, () => {
      transaction.add(recipient);
      return replies.recipientOk;
    }),
});

/** The verb takes no argument. */
const bare = (argument: string): Checked<undefined> =>
  argument.trim() === "" ? ok(undefined) : no(replies.noArguments);

const data: Verb = verb({
  check: ({ transaction }, argument) => {
    if (!transaction) return no(replies.mailFirst);
    const syntax = bare(argument);
    if (!syntax.ok) return syntax;
    // RFC 3030 section 2: never both within one transaction.
    if (transaction.chunks) return no(replies.chunksBegun);
    // RFC 3030 section 3
    if (transaction.parameters.body === "BINARYMIME") return no(replies.binaryNeedsBdat);
    // RFC 5321 section 3.3, RFC 2033 section 4.2: no valid recipient, no 354.
    return transaction.recipients.length === 0 ? no(replies.noValidRecipients) : ok(transaction);
  },
  proceed: (control, transaction) =>
    control.ask({ kind: "data", transaction }, () => {
      control.startData(transaction);
      return replies.startData;
    }),
});

/** RFC 3030 section 2: why a chunk has no place here. */
function misplacedChunk({ transaction, extended, options, info }: View): Reply | undefined {
  if (info.helo === undefined || !extended) return replies.heloFirst(helloVerb(options));
  if (!transaction) return replies.noTransactionForChunk;
  return transaction.recipients.length === 0 ? replies.noValidRecipients : undefined;
}

const bdat: Verb = verb({
  check: (_view, argument) => {
    const chunk = parseChunkArgument(argument);
    // Without a length nobody knows where the octets end, and what is in them must not be taken for commands.
    return chunk ? ok(chunk) : no(replies.badChunk);
  },
  proceed: (control, chunk, view) => {
    const refusal = misplacedChunk(view);
    const { transaction } = view;
    if (refusal || !transaction) control.skipChunk(chunk.octets, refusal ?? replies.mailFirst);
    else control.startChunk(transaction, chunk);
  },
});

const startTls: Verb = verb({
  check: ({ options, info }, argument) => {
    if (info.tls !== undefined) return no(replies.alreadyTls);
    return options.startTls ? bare(argument) : no(replies.notImplemented);
  },
  proceed: (control) => control.startTls(),
});

const auth: Verb = verb({
  check: (view, argument) => {
    const { options, info } = view;
    if (options.auth === "never") return no(replies.notImplemented);
    if (!view.extended) return no(replies.heloFirst(helloVerb(options)));
    if (!authOffered(view)) return no(replies.encryptionRequired);
    if (info.user !== undefined) return no(replies.alreadyAuthenticated);
    // RFC 4954 section 4
    if (view.transaction) return no(replies.authInTransaction);
    return beginAuth(argument);
  },
  proceed: (control, step) => control.auth(step),
});

/** A verb that is always answered the same. */
const constant = (
  reply: Reply,
  check: (argument: string) => Checked<undefined> = () => ok(undefined),
): Verb =>
  verb({
    check: (_view, argument) => check(argument),
    proceed: (control) => control.reply(reply),
  });

const rset: Verb = verb({
  check: (_view, argument) => bare(argument),
  proceed: (control) => {
    control.reset();
    control.reply(replies.done);
  },
});

const vrfy = constant(replies.cannotVerify, (argument) =>
  argument.trim() === "" ? no(replies.needsArgument) : ok(undefined),
);

const COMMON: readonly (readonly [string, Verb])[] = [
  ["MAIL", mail],
  ["RCPT", rcpt],
  ["DATA", data],
  ["BDAT", bdat],
  ["RSET", rset],
  ["STARTTLS", startTls],
  ["AUTH", auth],
  ["NOOP", constant(replies.done)],
  ["VRFY", vrfy],
  ["EXPN", constant(replies.notImplemented)],
  ["QUIT", constant(replies.bye, bare)],
  // A browser that was sent here (cross-protocol forgery) gets no second line.
  ...["GET", "POST", "PUT", "CONNECT"].map((method): [string, Verb] => [method, constant(replies.notSmtp)]),
];

/** All verbs of a protocol, HELP among them, which knows them. */
function verbs(own: readonly (readonly [string, Verb])[]): ReadonlyMap<string, Verb> {
  const known = new Map([...COMMON, ...own]);
  const names = new Set([...known.keys()]);
  const helping = verb({
    check: (_view, argument) => ok(argument),
    proceed: (control, argument, { options }) => control.reply(help(options, names, argument)),
  });
  return known.set("HELP", helping);
}

/** What each protocol knows. RFC 2033 section 4.1: LMTP has LHLO in place of HELO and EHLO. */
export const VERBS: Readonly<Record<ServerOptions["protocol"], ReadonlyMap<string, Verb>>> = {
  smtp: verbs([
    ["HELO", hello(false)],
    ["EHLO", hello(true)],
  ]),
  lmtp: verbs([["LHLO", hello(true)]]),
};
