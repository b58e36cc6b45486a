/** The names under which the services are reached. Pure. */
import type { StackConfig } from "./schema.ts";

/** Of the host, in the first domain. */
export const hostnamesOf = (domain: string) => ({
  mx: `mx.${domain}`,
  smtp: `smtp.${domain}`,
  imap: `imap.${domain}`,
});

/** Names under which the portal serves what mail programs and servers fetch. */
const WEB = ["mta-sts", "autoconfig", "autodiscover"];

type Served = Pick<StackConfig, "domain" | "domains"> & { portal: Pick<StackConfig["portal"], "enabled"> };

const webNames = (zones: readonly string[], { enabled }: Served["portal"]): string[] =>
  enabled ? zones.flatMap((zone) => WEB.map((name) => `${name}.${zone}`)) : [];

/** Every name that the certificate of the services is for. */
export function certificateNames({ domain, domains, portal }: Served): string[] {
  const { mx, smtp, imap } = hostnamesOf(domain);
  return [mx, smtp, imap, domain, ...webNames([domain, ...domains], portal)];
}

/** Those of them that are proven only for as long as the zone of a domain that is given up is still ours. */
export const leavingNames = ({ leaving, portal }: Pick<StackConfig, "leaving"> & Served): string[] =>
  webNames(leaving, portal);
