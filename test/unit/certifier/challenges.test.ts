import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createChallenges } from "../../../mailserver/certifier/challenges.ts";
import { type FakeLiveDns, startFakeLiveDns } from "../../support/fake-livedns.ts";

const RECORDS = ["old.example", "example.org"].map((zone) => ({
  ...{ zone, name: "_acme-challenge.mx", value: `proof of ${zone}` },
}));

describe("the records of an order", () => {
  let api: FakeLiveDns;
  before(async () => {
    api = await startFakeLiveDns([]);
  });
  after(() => api.close());
  beforeEach(() => {
    for (const { zone } of RECORDS) api.zones.set(zone, new Map());
  });
  const challenges = createChallenges(async () => api);
  const held = () => [...api.zones].map(([zone, sets]) => [zone, sets.size]);

  it("are taken away from the zones that are there, also when another's has gone since", async () => {
    await challenges.publish(RECORDS);
    assert.deepEqual(held(), [
      ["old.example", 1],
      ["example.org", 1],
    ]);
    api.zones.delete("old.example");
    await challenges.withdraw(RECORDS);
    assert.deepEqual(held(), [["example.org", 0]]);
  });

  it("can't be published in a zone that isn't there", async () => {
    api.zones.delete("old.example");
    await assert.rejects(challenges.publish(RECORDS), { code: "records" });
  });
});
