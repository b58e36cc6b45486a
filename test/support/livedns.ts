/** The stack's name server, behind Pulumi's back: what a person does by hand in Gandi's web pages. */
import { Resolver } from "node:dns/promises";

export interface LiveDns {
  createZone(domain: string): Promise<void>;
  put(domain: string, name: string, type: string, values: string[]): Promise<void>;
  get(domain: string, name: string, type: string): Promise<string[]>;
}

/** A client of the API at `url` (`…/v5/livedns`). */
export function liveDns(url: string, token: string): LiveDns {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const record = (domain: string, name: string, type: string) => `/domains/${domain}/records/${name}/${type}`;
  return {
    createZone: async (fqdn) => void (await call("POST", "/domains", { fqdn })),
    put: async (domain, name, type, values) => {
      await call("PUT", record(domain, name, type), { rrset_values: values, rrset_ttl: 300 });
    },
    get: async (domain, name, type) => {
      const { rrset_values } = (await call("GET", record(domain, name, type))) as { rrset_values: string[] };
      return rrset_values;
    },
  };
}

/** MX hosts of `domain` as a name server at `address` (an IP address, or address:port) gives them. */
export async function lookUpMx(address: string, domain: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 3 });
  resolver.setServers([address]);
  return (await resolver.resolveMx(domain)).map(({ exchange }) => exchange);
}
