/**
 * The verbs as data: `check` looks at sequence and syntax and changes nothing; `proceed` has the effect. Between
 * them, where a policy has a say, the session asks it.
 */
import { type AuthStep, beginAuth, MECHANISM_NAMES } from "./auth.ts";
import { type Checked, no, ok, parseMail, parseRcpt } from "./path.ts";
import * as replies from "./replies.ts";
import type { OpenTransaction } from "./transaction.ts";
import type { MailParameters, Question, Reply, ReversePath, ServerOptions, SessionInfo } from "./types.ts";

/** What a verb sees of the session. */
export interface View {
  readonly options: ServerOptions;
  readonly info: SessionInfo;
  /** EHLO or LHLO was accepted, so parameters may be used. */
  readonly extended: boolean;
  readonly transaction: OpenTransaction | undefined;
}

/** What a verb may do to the session. */
export interface Control {
  reply(reply: Reply): void;
  /** Asks; `accepted` runs when the policy agrees and gives the reply to use unless the policy had its own. */
  ask(question: Question, accepted: () => Reply): void;
  setHelo(name: string, extended: boolean): void;
  /** Drops the open transaction, if any. */
  reset(): void;
  /** A transaction that is not yet the session's. */
  draft(from: ReversePath, parameters: MailParameters): OpenTransaction;
  open(transaction: OpenTransaction): void;
  startData(transaction: OpenTransaction): void;
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
    "SMTPUTF8",
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
    if (view.transaction) return no(replies.nestedMail);
    const { messageBytes } = view.options.limits;
    return parseMail(argument, { extended: view.extended, auth: authOffered(view), messageBytes });
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
  check: ({ transaction, options }, argument) => {
    if (!transaction) return no(replies.mailFirst);
    const recipient = parseRcpt(argument, transaction.parameters.smtputf8 === true);
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
    // RFC 5321 section 3.3, RFC 2033 section 4.2: no valid recipient, no 354.
    return transaction.recipients.length === 0 ? no(replies.noValidRecipients) : ok(transaction);
  },
  proceed: (control, transaction) =>
    control.ask({ kind: "data", transaction }, () => {
      control.startData(transaction);
      return replies.startData;
    }),
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
  ["RSET", rset],
  ["STARTTLS", startTls],
  ["AUTH", auth],
  ["NOOP", constant(replies.done)],
  ["HELP", constant(replies.helpText)],
  ["VRFY", vrfy],
  ["EXPN", constant(replies.notImplemented)],
  ["QUIT", constant(replies.bye, bare)],
];

/** What each protocol knows. RFC 2033 section 4.1: LMTP has LHLO in place of HELO and EHLO. */
export const VERBS: Readonly<Record<ServerOptions["protocol"], ReadonlyMap<string, Verb>>> = {
  smtp: new Map([...COMMON, ["HELO", hello(false)], ["EHLO", hello(true)]]),
  lmtp: new Map([...COMMON, ["LHLO", hello(true)]]),
};
