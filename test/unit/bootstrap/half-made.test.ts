import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { removeHalfMade } from "../../../tools/half-made.ts";
import { type FakeLiveDns, startFakeLiveDns } from "../../support/fake-livedns.ts";

const ZONE = "a.test";
let api: FakeLiveDns;
beforeEach(async () => {
  api = await startFakeLiveDns([ZONE]);
});
afterEach(() => api.close());

const config = (provider: string): string =>
  JSON.stringify({
    "semail:domain": { value: ZONE },
    "semail:dns": { value: JSON.stringify({ provider, apiUrl: api.apiUrl }) },
    "semail:gandiToken": { value: api.token },
  });
const record = (name: string, type: string, ...values: string[]) => ({
  ...{ zone: ZONE, name, type, values, ttl: 300 },
  adoptExisting: false as const,
});
const RECORDS = [
  record("mx", "A", "192.0.2.1"),
  record("_dmarc", "TXT", "v=DMARC1; p=none"),
  record("imap", "A", "192.0.2.1"),
  record("@", "MX", "10 mx.a.test."),
];

test("what a killed update made goes, and nothing that isn't the same", async () => {
  const zone = api.zones.get(ZONE);
  const others = { "imap/A": { rrset_ttl: 300, rrset_values: ["192.0.2.9"] } };
  const entries = {
    "mx/A": { rrset_ttl: 300, rrset_values: ["192.0.2.1"] },
    "_dmarc/TXT": { rrset_ttl: 300, rrset_values: ['"v=DMARC1; p=none"'] },
    ...others,
  };
  for (const [key, set] of Object.entries(entries)) zone?.set(key, set);
  assert.deepEqual(await removeHalfMade(config("gandi"), RECORDS), ["A mx.a.test", "TXT _dmarc.a.test"]);
  assert.deepEqual(Object.fromEntries(zone ?? []), others);
});

test("LiveDNS is asked nothing where it isn't used, and what it says against it is told", async () => {
  assert.deepEqual(await removeHalfMade(config("none"), RECORDS), []);
  assert.deepEqual(api.calls, []);
  api.admits = () => false;
  await assert.rejects(
    removeHalfMade(config("gandi"), RECORDS),
    /A record mx of a\.test: LiveDNS refused the token/,
  );
});
