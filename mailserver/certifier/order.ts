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
      if (!(error instanceof CertifierFault) || ABOUT_NO_NAME.has(error.code)) throw error;
      log.warn("certificate.without", { names: leaving, code: error.code, reason: error.message });
    }
  return ask(request.names);
}

/** To ask for fewer names would be of no use. */
const ABOUT_NO_NAME: ReadonlySet<string> = new Set(["rateLimited", "unreachable"]);
