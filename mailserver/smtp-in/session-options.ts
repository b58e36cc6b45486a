/** How the sessions of smtp-in behave. */
import type { SmtpInSettings } from "../contract.ts";
import type { ServerOptions } from "../smtp/types.ts";

export function sessionOptions({
  hostname,
  limits,
}: Pick<SmtpInSettings, "hostname" | "limits">): ServerOptions {
  return {
    protocol: "smtp",
    hostname,
    startTls: true,
    auth: "never",
    authRequired: false,
    dsn: true,
    // The boxes' LMTP has it too: what is offered here must go on to them (RFC 6531 section 3.1).
    smtpUtf8: true,
    limits,
  };
}
