/** From a decision about TLS to a connection, and from its failure to what the recipients hear. Pure. */
import type { ConnectOptions, DeliveryReport } from "../net/types.ts";
import { type TlsDemand, type TlsFailure, tlsFailureOutcome } from "../policy/tls.ts";
import { failedResult, type PolicyFailure, refusedResult } from "../policy/tls-report.ts";
import { certificateRefused, tlsFailed, tlsNotOffered } from "../smtp/replies.ts";
import type { Outcome, Reply } from "../smtp/types.ts";

/** What is asked of a connection. A kept one serves again only for the very same (`net/pool.ts`). */
export interface TlsWishes extends Pick<ConnectOptions, "serverName" | "verify"> {
  readonly tls: ConnectOptions["session"]["tls"];
}

/** For a connection with `host` under a decision that lets it have mail. */
export function tlsWishes(decision: TlsDemand, host: string): TlsWishes {
  switch (decision.kind) {
    case "opportunistic":
      return { tls: "opportunistic", serverName: host };
    case "encrypted":
      return { tls: "required", serverName: host };
    case "dane": {
      const { base, names, records } = decision;
      // RFC 7672 section 3.2: SNI is the name below which the records are.
      return { tls: "required", verify: { kind: "dane", name: base, names, records } };
    }
    case "sts":
      return { tls: "required", verify: { kind: "pkix", name: host } };
    case "testing":
      return { tls: "opportunistic", verify: { kind: "pkix", name: host, report: true } };
  }
}

const FAILURES = new Map<Reply, TlsFailure>([
  [tlsNotOffered, "notOffered"],
  [tlsFailed, "handshake"],
  [certificateRefused, "certificate"],
]);

/** How a session failed at what was demanded: what the recipients hear, and what is reported. */
export interface PolicyBreach {
  readonly outcome: Outcome;
  readonly failure: PolicyFailure;
}

/** Undefined when the failure has nothing to do with what was demanded. */
export function policyBreach(
  decision: TlsDemand,
  host: string,
  answer: Reply,
  cause: unknown,
): PolicyBreach | undefined {
  const failure = FAILURES.get(answer);
  if (failure === undefined || decision.kind === "opportunistic" || decision.kind === "testing")
    return undefined;
  const detail = cause instanceof Error && failure === "certificate" ? cause.message : undefined;
  const outcome = tlsFailureOutcome(decision.by, host, failure, detail);
  return { outcome, failure: failedResult(failure, detail) };
}

/**
 * What is to be reported of a message that was sent although not all was right: what a policy in testing mode would have
 * refused (RFC 8461 section 5), and that there was no TLS where nothing demands it (RFC 8460 section 4.3.1). `inClear`:
 * TLS had been tried, and failed.
 */
export function doubtOf(
  decision: TlsDemand,
  { tls }: Pick<Extract<DeliveryReport, { kind: "done" }>, "tls">,
  inClear: boolean,
): PolicyFailure | undefined {
  if (decision.kind !== "testing" && decision.kind !== "opportunistic") return undefined;
  if (decision.kind === "testing" && decision.unlisted) return refusedResult(decision.by);
  if (tls === undefined) return failedResult(inClear ? "handshake" : "notOffered");
  return tls.doubt === undefined ? undefined : failedResult("certificate", tls.doubt);
}
