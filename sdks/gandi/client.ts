/** The parts of the LiveDNS v5 API that this package uses, https://api.gandi.net/docs/livedns/. Knows nothing of Pulumi. */

import { z } from "zod";
import { talkTo } from "./answers.ts";
import { ApiError } from "./errors.ts";
import { type Auth, type Deps, world } from "./http.ts";
import { makeSnapshot, removeOldSnapshots } from "./snapshots.ts";

export type { Auth } from "./http.ts";

/** A record set as LiveDNS has it. */
export const RecordSet = z.object({ rrset_ttl: z.int(), rrset_values: z.array(z.string()) });
export type RecordSet = z.infer<typeof RecordSet>;

/** Names in one spelling, whoever entered them (RFC 4343). */
const NamedSet = RecordSet.extend({
  rrset_name: z.string().toLowerCase(),
  rrset_type: z.string().toUpperCase(),
});
export type NamedSet = z.infer<typeof NamedSet>;
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
  const talk = talkTo(auth, deps);
  const { get, list } = talk;
  const records = (zone: string) => list(`/domains/${segment(zone)}/records`, NamedSet);
  const listingOf = ({ zone }: Pick<Key, "zone">) => `${talk.place} ${zone}`;

  async function change(key: Key, method: "POST" | "PUT" | "DELETE", body?: RecordSet) {
    try {
      return await talk.change(method, pathOf(key), body);
    } finally {
      deps.listings.forget(listingOf(key));
    }
  }

  /** A token that can't see the zone gets 404, too: only the zone's presence makes the record's absence certain. */
  async function isAbsent(error: unknown, { zone }: Key): Promise<undefined> {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    if (error.object !== "dns-record") await get(`/domains/${segment(zone)}`, Domain);
  }

  return {
    /** The domain's zone; 404 when there is none. */
    domain: (fqdn: string) => get(`/domains/${segment(fqdn)}`, Domain),
    nameservers: (fqdn: string) => get(`/domains/${segment(fqdn)}/nameservers`, Nameservers),
    /** A record set; undefined when the zone has none such. An unknown zone is an error all the same. */
    async record(key: Key): Promise<RecordSet | undefined> {
      return get(pathOf(key), RecordSet).catch((error) => isAbsent(error, key));
    },
    /** The same, from one listing of the zone for all who ask within some seconds; a change of ours makes it anew. */
    async listed(key: Key): Promise<RecordSet | undefined> {
      const sets = await deps.listings.remember(listingOf(key), () => records(key.zone));
      return find(sets, key);
    },
    /** All record sets of a zone. */
    records,
    /** Keeps the zone as it is, the first time in this process. */
    snapshot: (zone: string) => deps.once(listingOf({ zone }), () => makeSnapshot(talk, zone, deps.now())),
    /** Removes what `snapshot` made, but for the newest; gives how many went. */
    tidySnapshots: (zone: string, keep: number) => removeOldSnapshots(talk, zone, keep),
    /** A record set as it was when the zone was first listed by this in the process; undefined when there is none. */
    async earlier(key: Key): Promise<RecordSet | undefined> {
      const sets = await deps.once(`earlier ${listingOf(key)}`, () => records(key.zone));
      return find(sets, key);
    },
    /** Makes a record set; 409 when it exists. */
    async create(key: Key, body: RecordSet): Promise<void> {
      const { status, attempts } = await change(key, "POST", body);
      // LiveDNS answers 200 rather than 409 to a POST that repeats what it has.
      if (status === 200) throw new ApiError(409, "the record set exists", attempts);
    },
    /** Makes or overwrites a record set. */
    async replace(key: Key, body: RecordSet): Promise<void> {
      await change(key, "PUT", body);
    },
    /** Removes a record set; one that isn't there is fine. 404 when there is no such zone. */
    async remove(key: Key): Promise<void> {
      await change(key, "DELETE").catch((error) => isAbsent(error, key));
    },
  };
}

const find = (sets: readonly NamedSet[], { name, type }: Key): NamedSet | undefined =>
  sets.find(({ rrset_name, rrset_type }) => rrset_name === name && rrset_type === type);
