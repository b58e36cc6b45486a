/** What happened and what to do, when a page can't be shown. */
import { html } from "hono/html";
import { OperatorError } from "../../operator/client.ts";
import type { FaultCode } from "../../operator/protocol.ts";
import { DirectoryUnavailable } from "../../policy/recipient.ts";
import type { PageContent, View } from "../layout.ts";
import type { WordKey } from "../words.ts";

/** A request that can't be answered as asked. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: 400 | 403 | 404 | 413;
  readonly key: WordKey;

  constructor(status: Refusal["status"], key: WordKey) {
    super(key);
    this.status = status;
    this.key = key;
  }
}

export interface Fault {
  readonly status: 400 | 403 | 404 | 409 | 413 | 500 | 503;
  readonly key: WordKey;
}

const OPERATOR: Readonly<Partial<Record<FaultCode, Fault>>> = {
  malformed: { status: 400, key: "fault.input" },
  // Who is signed in is in the directory: the administrator's file doesn't have them any more, or not yet.
  "unknown-person": { status: 404, key: "fault.unknown-person" },
  "unknown-request": { status: 404, key: "fault.absent" },
  "address-taken": { status: 409, key: "fault.address-taken" },
  "wrong-state": { status: 409, key: "fault.wrong-state" },
  "alias-limit": { status: 409, key: "fault.alias-limit" },
  "alias-forwarded-to": { status: 409, key: "fault.alias-forwarded-to" },
  "approval-limit": { status: 409, key: "fault.approval-limit" },
  "request-limit": { status: 409, key: "fault.request-limit" },
  "forward-malformed": { status: 400, key: "fault.forward-malformed" },
  "forward-own": { status: 409, key: "fault.forward-own" },
  "forward-nobody": { status: 409, key: "fault.forward-nobody" },
  "busy-with-own-request": { status: 409, key: "fault.busy" },
  "config-unreadable": { status: 503, key: "fault.config" },
  "config-refused": { status: 503, key: "fault.config" },
  "undo-pending": { status: 503, key: "fault.undo-pending" },
  "needs-administrator": { status: 409, key: "fault.administrator" },
};

/** Why the operator refuses, where there is more to say than that it does. */
export const wordOfRefusal = (code: FaultCode): WordKey | undefined => OPERATOR[code]?.key;

export function faultOf(error: unknown): Fault {
  if (error instanceof Refusal) return error;
  if (error instanceof DirectoryUnavailable) return { status: 503, key: "fault.directory" };
  if (error instanceof OperatorError)
    return OPERATOR[error.fault.code] ?? { status: 503, key: "fault.operator" };
  return { status: 500, key: "fault.unexpected" };
}

export function faultPage({ say }: View, key: WordKey): PageContent {
  return {
    title: say("fault.title"),
    narrow: true,
    body: html`<p class="note bad" role="alert">${say(key)}</p><p><a href="/">${say("fault.back")}</a></p>`,
  };
}
