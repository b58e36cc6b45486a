/** How the sessions of smtp-out's listeners behave. */
import type { SmtpOutSettings } from "../contract.ts";
import type { ServerOptions } from "../smtp/types.ts";

/** `submission` with STARTTLS, `submissions` under TLS from the first byte; `relay` is for daemons of ours. */
export type ListenerName = "submission" | "submissions" | "relay";

const TLS: Readonly<Record<ListenerName, Pick<ServerOptions, "startTls" | "auth">>> = {
  // RFC 6409 with RFC 3207: no AUTH, so no mail, before TLS.
  submission: { startTls: true, auth: "tls" },
  // RFC 8314 section 3.3
  submissions: { startTls: false, auth: "tls" },
  // The internal network carries it; it is never published.
  relay: { startTls: false, auth: "always" },
};

/** More than smtp-in adds to what it forwards: who sent the greatest message must not hear that it is too large after all. */
const TRACE_BYTES = 65_536;

export function sessionOptions(
  listener: ListenerName,
  { hostname, limits: common }: Pick<SmtpOutSettings, "hostname" | "limits">,
): ServerOptions {
  const { messageBytes } = common;
  const limits = listener === "relay" ? { ...common, messageBytes: messageBytes + TRACE_BYTES } : common;
  return { protocol: "smtp", hostname, limits, authRequired: true, dsn: true, ...TLS[listener] };
}
