import type { FaultCode, FaultView } from "../mailserver/operator/protocol.ts";

/** HTTP status by code; what isn't here is a fault of a request that runs. */
const STATUS: Partial<Record<FaultCode, 400 | 404 | 409 | 503>> = {
  malformed: 400,
  "unknown-person": 404,
  "unknown-request": 404,
  "address-taken": 409,
  "wrong-state": 409,
  "alias-limit": 409,
  "alias-forwarded-to": 409,
  "approval-limit": 409,
  "request-limit": 409,
  "forward-malformed": 400,
  "forward-own": 409,
  "forward-nobody": 409,
  "needs-administrator": 409,
  "busy-with-own-request": 409,
};

/** Why a request can't be done, in words that the person may read. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly fault: FaultView;

  constructor(code: FaultCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.fault = { code, detail };
  }

  get status(): 400 | 404 | 409 | 503 {
    return STATUS[this.fault.code] ?? 503;
  }
}

/** Words for the person; what isn't ours to say stays in the log. */
export function faultOf(error: unknown): Refusal["fault"] {
  if (error instanceof Refusal) return error.fault;
  return {
    code: "update-failed",
    detail: "The operator failed; an administrator finds the cause in its log.",
  };
}
