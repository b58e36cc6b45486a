/** What a stack's config says of LiveDNS. */
import type { Auth } from "@pulumi/gandi/http.ts";
import { z } from "zod";
import { Dns } from "../stacks/schema-dns.ts";

/** What `pulumi config --json --show-secrets` says, as far as it matters here. */
const Config = z.object({
  "semail:domain": z.object({ value: z.string() }),
  "semail:domains": z.object({ value: z.string() }).optional(),
  "semail:dns": z.object({ value: z.string() }).optional(),
  "semail:gandiToken": z.object({ value: z.string() }).optional(),
});

const Domains = z.array(z.string());

export interface GandiConfig {
  readonly zones: readonly string[];
  /** How many snapshots of a zone stay. */
  readonly snapshots: number;
  readonly auth: Auth;
}

/** Reads it out of {@link Config}; undefined where LiveDNS isn't used. */
export function gandiConfig(text: string): GandiConfig | undefined {
  const known = Config.safeParse(JSON.parse(text)).data;
  if (known === undefined) return undefined;
  const { provider, apiUrl, snapshots } = Dns.parse(JSON.parse(known["semail:dns"]?.value ?? "{}"));
  if (provider !== "gandi") return undefined;
  const token = known["semail:gandiToken"]?.value;
  const others = Domains.parse(JSON.parse(known["semail:domains"]?.value ?? "[]"));
  return {
    zones: [known["semail:domain"].value, ...others],
    snapshots,
    auth: { apiUrl, ...(token === undefined ? {} : { token }) },
  };
}
