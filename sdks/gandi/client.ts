/** The parts of the LiveDNS v5 API that this package uses, https://api.gandi.net/docs/livedns/. Knows nothing of Pulumi. */

import { z } from "zod";
import { ApiError, withoutSnapshot } from "./errors.ts";
import { type Auth, credentials, type Deps, requester, world } from "./http.ts";

export type { Auth } from "./http.ts";

/** A record set as LiveDNS has it. */
export const RecordSet = z.object({ rrset_ttl: z.int(), rrset_values: z.array(z.string()) });
export type RecordSet = z.infer<typeof RecordSet>;

const NamedSet = RecordSet.extend({ rrset_name: z.string(), rrset_type: z.string() });
export type NamedSet = z.infer<typeof NamedSet>;
const PER_PAGE = 500;

const Domain = z.object({ fqdn: z.string() });
const Nameservers = z.array(z.string());

/** A path segment. `@` and `*` are left as they are, as in LiveDNS's own documentation. */
const segment = (text: string) => encodeURIComponent(text).replaceAll("%40", "@");

/** The key of a record set. */
export interface Key {
  zone: string;
  name: string;
  type: string;
}

const pathOf = ({ zone, name, type }: Key) =>
  `/domains/${segment(zone)}/records/${segment(name)}/${segment(type)}`;

/** A client for one API and token. */
export function connect(auth: Auth, deps: Deps = world) {
  const { apiUrl, token } = credentials(auth, deps);
  const request = requester({ apiUrl, token }, deps);

  async function ask<T>(path: string, schema: z.ZodType<T>): Promise<{ data: T; total: number }> {
    const { text, total } = await request("GET", path);
    const parsed = schema.safeParse(parseJson(text));
    if (!parsed.success) throw new Error(`${apiUrl} does not answer as LiveDNS does: check auth.apiUrl`);
    return { data: parsed.data, total };
  }

  const get = async <T>(path: string, schema: z.ZodType<T>): Promise<T> => (await ask(path, schema)).data;

  async function records(zone: string): Promise<NamedSet[]> {
    const sets: NamedSet[] = [];
    for (let page = 1; ; page += 1) {
      const path = `/domains/${segment(zone)}/records?page=${page}&per_page=${PER_PAGE}`;
      const { data, total } = await ask(path, z.array(NamedSet));
      sets.push(...data);
      // A page may be shorter than was asked for: how many there are is what counts.
      const last = Number.isNaN(total) ? data.length < PER_PAGE : sets.length >= total || data.length === 0;
      if (last) return sets;
    }
  }

  const listingOf = ({ zone }: Pick<Key, "zone">) => `${apiUrl} ${token} ${zone}`;

  async function changing(key: Key, method: string, body?: RecordSet) {
    try {
      return await request(method, pathOf(key), body);
    } finally {
      deps.listings.forget(listingOf(key));
    }
  }

  return {
    /** The domain's zone; 404 when there is none. */
    domain: (fqdn: string) => get(`/domains/${segment(fqdn)}`, Domain),
    nameservers: (fqdn: string) => get(`/domains/${segment(fqdn)}/nameservers`, Nameservers),
    /** A record set; undefined when the zone has none such. An unknown zone is an error all the same. */
    async record(key: Key): Promise<RecordSet | undefined> {
      try {
        return await get(pathOf(key), RecordSet);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        // A token that can't see the zone gets 404, too: only the zone's presence makes the record's absence certain.
        if (error.object !== "dns-record") await get(`/domains/${segment(key.zone)}`, Domain);
        return undefined;
      }
    },
    /** The same, from one listing of the zone for all who ask within some seconds; a change of ours makes it anew. */
    async listed(key: Key): Promise<RecordSet | undefined> {
      const sets = await deps.listings.remember(listingOf(key), () => records(key.zone));
      return sets.find(({ rrset_name, rrset_type }) => rrset_name === key.name && rrset_type === key.type);
    },
    /** All record sets of a zone. */
    records,
    /** Keeps the zone as it is, the first time in this process. */
    async snapshot(zone: string): Promise<void> {
      await deps.once(listingOf({ zone }), async () => {
        const name = `before Pulumi, ${deps.now().toISOString()}`;
        await request("POST", `/domains/${segment(zone)}/snapshots`, { name }).catch(withoutSnapshot);
      });
    },
    /** Makes a record set; 409 when it exists. */
    async create(key: Key, body: RecordSet): Promise<void> {
      const { status, attempts } = await changing(key, "POST", body);
      // LiveDNS answers 200 rather than 409 to a POST that repeats what it has.
      if (status === 200) throw new ApiError(409, "the record set exists", attempts);
    },
    /** Makes or overwrites a record set. */
    async replace(key: Key, body: RecordSet): Promise<void> {
      await changing(key, "PUT", body);
    },
    /** Removes a record set; one that isn't there is fine. */
    async remove(key: Key): Promise<void> {
      try {
        await changing(key, "DELETE");
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
