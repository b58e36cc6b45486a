import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { remove } from "../../../sdks/gandi/crud.ts";
import { RECORD_TYPE } from "../../../sdks/gandi/diff.ts";
import { ownHalfChanged, removeHalfMade } from "../../../tools/half-made.ts";
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

const URN = `urn:pulumi:prod::semail::${RECORD_TYPE}::mx-a`;
/** A state of which an update was killed that was doing that with the record, whose address was 192.0.2.1. */
const killed = (type: string, inputs: object, outputs: object = { declared: ["192.0.2.1"] }): string =>
  JSON.stringify({
    version: 3,
    deployment: {
      manifest: { version: "v3" },
      resources: [
        { urn: "urn:pulumi:prod::semail::x::y", type: "x" },
        {
          ...{ urn: URN, type: RECORD_TYPE, id: "a.test/mx/A" },
          outputs: { zone: ZONE, name: "mx", type: "A", ttl: 300, values: ["192.0.2.1"], ...outputs },
        },
      ],
      pending_operations: [{ type, resource: { urn: URN, type: RECORD_TYPE, inputs } }],
    },
  });

for (const [what, type, inputs, outputs, declared] of [
  [
    "the values of before and of then",
    "updating",
    { values: ["192.0.2.2"] },
    undefined,
    ["192.0.2.1", "192.0.2.2"],
  ],
  [
    "those, in a state from before they were noted",
    "updating",
    { values: ["192.0.2.2"] },
    {},
    ["192.0.2.1", "192.0.2.2"],
  ],
  [
    "no others where it was only being deleted",
    "deleting",
    { values: ["192.0.2.2"] },
    undefined,
    ["192.0.2.1"],
  ],
  ["no others where they are not known", "updating", { values: { secret: "x" } }, undefined, ["192.0.2.1"]],
] as const)
  test(`of a record that a killed update was at, the stack's own are ${what}`, () => {
    const state = killed(type, inputs, outputs);
    const { deployment } = JSON.parse(ownHalfChanged(state));
    assert.deepEqual(deployment.resources[1].outputs.declared, declared);
    const before = JSON.parse(state);
    before.deployment.resources[1].outputs.declared = declared;
    assert.deepEqual({ version: 3, deployment }, before);
  });

test("what a killed update changed goes with the stack", async () => {
  const zone = api.zones.get(ZONE);
  zone?.set("mx/A", { rrset_ttl: 300, rrset_values: ["192.0.2.2"] });
  const state = ownHalfChanged(killed("updating", { values: ["192.0.2.2"] }));
  const { outputs } = JSON.parse(state).deployment.resources[1];
  const auth = { apiUrl: api.apiUrl, token: api.token };
  await remove("a.test/mx/A", { ...outputs, auth, snapshot: false, adoptExisting: false });
  assert.deepEqual(Object.fromEntries(zone ?? []), {});
});
