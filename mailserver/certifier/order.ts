/** Orders a certificate: for all names, or without those of domains that are given up. */
import type { Log } from "../net/log.ts";
import type { Authority, CertificateRequest } from "./authority.ts";
import { CertifierFault } from "./fault.ts";

export interface OrderDeps {
  readonly authority: Authority;
  /** Takes away what an order has published. Never rejects. */
  readonly withdraw: () => Promise<void>;
  readonly log: Log;
}

/**
 * `leaving`: names of domains that are given up. Their policy has to be served for a while yet (RFC 8461 section 8.3), so
 * they are in the certificate while they can be proven; but their zone may be somebody else's by now, and what all the
 * others need doesn't hang on it. Rejects with CertifierFault.
 */
export async function order(
  { leaving, ...request }: CertificateRequest & { readonly leaving: readonly string[] },
  { authority, withdraw, log }: OrderDeps,
): Promise<string> {
  const ask = (names: readonly string[]): Promise<string> =>
    authority.obtain({ ...request, names }).finally(withdraw);
  if (leaving.length > 0)
    try {
      return await ask([...request.names, ...leaving]);
    } catch (error) {
      if (!(error instanceof CertifierFault) || !fewerHelp(error, { leaving, names: request.names }))
        throw error;
      log.warn("certificate.without", { names: leaving, code: error.code, reason: error.message });
    }
  return ask(request.names);
}

/** About some name at all, when it is one that the fault names: limits of an account are about none. */
const ABOUT_SOME_NAME: ReadonlySet<string> = new Set(["rateLimited", "undecided"]);

/** Whether to ask for fewer names may be of use after that fault. */
function fewerHelp(
  { code, message }: CertifierFault,
  { leaving, names }: { readonly leaving: readonly string[]; readonly names: readonly string[] },
): boolean {
  if (code === "unreachable") return false;
  if (!ABOUT_SOME_NAME.has(code)) return true;
  const said = message.split(/[^A-Za-z0-9.-]+/).map((word) => word.toLowerCase().replace(/\.+$/, ""));
  // Limits are counted for a domain with all below it, too; one that a name has which stays is no better without the others.
  return said.some((word) => isWithin(leaving, word) && !isWithin(names, word));
}

const isWithin = (names: readonly string[], domain: string): boolean =>
  domain.includes(".") && names.some((name) => name === domain || name.endsWith(`.${domain}`));
