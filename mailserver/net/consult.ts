/** A session's questions put to its handler. */
import * as replies from "../smtp/replies.ts";
import type { Decision, Question, Reply } from "../smtp/types.ts";
import type { SessionHandler } from "./types.ts";

const ACCEPT: Decision = { kind: "accept" };

/** Asks the handler; what it leaves out is accepted. */
export function consult(handler: SessionHandler, question: Question): Decision | Promise<Decision> {
  switch (question.kind) {
    case "connect":
      return handler.connect?.() ?? ACCEPT;
    case "helo":
      return handler.helo?.(question.name, question.extended) ?? ACCEPT;
    case "auth":
      return handler.auth?.(question) ?? { kind: "refuse", reply: replies.authFailed };
    case "mail":
      return handler.mail?.(question.transaction) ?? ACCEPT;
    case "rcpt":
      return handler.rcpt(question.transaction, question.recipient);
    case "data":
      return handler.data?.(question.transaction) ?? ACCEPT;
    case "message":
      return handler.message(question.transaction, question.size);
  }
}

/** A reply as facts for the log. */
export const describeReply = ({ code, enhanced, lines }: Reply): Record<string, unknown> => ({
  code,
  enhanced,
  text: lines.join(" "),
});
