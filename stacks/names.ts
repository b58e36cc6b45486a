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

/** Every name that the certificate of the services is for. */
export function certificateNames({
  domain,
  domains,
  portal,
}: Pick<StackConfig, "domain" | "domains"> & { portal: Pick<StackConfig["portal"], "enabled"> }): string[] {
  const { mx, smtp, imap } = hostnamesOf(domain);
  const web = portal.enabled
    ? [domain, ...domains].flatMap((zone) => WEB.map((name) => `${name}.${zone}`))
    : [];
  return [mx, smtp, imap, domain, ...web];
}
