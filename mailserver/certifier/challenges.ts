/** The TXT records by which the authority sees that a name is ours (RFC 8555 section 8.4), through LiveDNS. */
import { type Auth, connect } from "../../sdks/gandi/client.ts";
import { ApiError } from "../../sdks/gandi/errors.ts";
import { quoteBytes, toText } from "../../sdks/gandi/txt.ts";
import { recordFault } from "./fault.ts";
import type { ChallengeRecord } from "./store.ts";

export interface Challenges {
  /** Adds them; what else stands under their names stays. Rejects with CertifierFault. */
  publish(records: readonly ChallengeRecord[]): Promise<void>;
  /** Takes them away, and nothing else. Rejects with CertifierFault. */
  withdraw(records: readonly ChallengeRecord[]): Promise<void>;
}

/** The least that LiveDNS takes, in seconds. */
const TTL = 300;

type Change = (values: readonly string[], ours: readonly string[]) => string[];

/** `auth` is asked for each time: the token may have been replaced. */
export function createChallenges(auth: () => Promise<Auth>): Challenges {
  async function change(
    records: readonly ChallengeRecord[],
    next: Change,
    lostZone: "fault" | "fine",
  ): Promise<void> {
    const client = connect(await auth());
    // One after the other: the sets of a zone are one transaction there.
    for (const [{ zone, name }, ours] of setsOf(records)) {
      const key = { zone, name, type: "TXT" };
      await changeSet(client, key, (values) => next(values, ours)).catch((error: unknown) => {
        if (lostZone === "fine" && error instanceof ApiError && error.status === 404) return;
        const message = error instanceof Error ? error.message : String(error);
        throw recordFault(
          `${name}.${zone} TXT`,
          message,
          error instanceof ApiError ? error.status : undefined,
        );
      });
    }
  }

  return {
    publish: (records) => change(records, (values, ours) => [...new Set([...values, ...ours])], "fault"),
    // What was in a zone that has gone to somebody else is gone for us: asked for again, it would be so for ever.
    withdraw: (records) =>
      change(records, (values, ours) => values.filter((value) => !ours.includes(value)), "fine"),
  };
}

async function changeSet(
  client: ReturnType<typeof connect>,
  key: { zone: string; name: string; type: string },
  next: (values: readonly string[]) => string[],
): Promise<void> {
  const set = await client.record(key);
  const values = (set?.rrset_values ?? []).map(toText);
  const wanted = next(values);
  if (wanted.length === values.length && wanted.every((value) => values.includes(value))) return;
  if (wanted.length === 0) return client.remove(key);
  await client.replace(key, { rrset_ttl: set?.rrset_ttl ?? TTL, rrset_values: wanted.map(quoted) });
}

const quoted = (value: string): string => (value.startsWith('"') ? value : quoteBytes(Buffer.from(value)));

/** Grouped by name. */
function setsOf(records: readonly ChallengeRecord[]): [ChallengeRecord, string[]][] {
  const sets = new Map<string, [ChallengeRecord, string[]]>();
  for (const record of records) {
    const key = `${record.name}.${record.zone}`;
    const set = sets.get(key) ?? [record, []];
    set[1].push(record.value);
    sets.set(key, set);
  }
  return [...sets.values()];
}

/** Where the record of `host` goes: in the longest of our zones that it is in. Throws RangeError when it is in none. */
export function placeOf(host: string, zones: readonly string[]): { zone: string; name: string } {
  const zone = zones
    .filter((each) => host === each || host.endsWith(`.${each}`))
    .toSorted((one, other) => other.length - one.length)[0];
  if (zone === undefined) throw new RangeError(`${host} is in none of ${zones.join(", ")}`);
  return {
    zone,
    name: host === zone ? "_acme-challenge" : `_acme-challenge.${host.slice(0, -(zone.length + 1))}`,
  };
}
