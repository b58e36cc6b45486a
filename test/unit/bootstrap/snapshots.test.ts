import assert from "node:assert/strict";
import { test } from "node:test";
import { tidyZones } from "../../../tools/snapshots.ts";

/** As `pulumi config --json --show-secrets` writes it. */
const config = (keys: Record<string, unknown>): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [
        `semail:${key}`,
        { value: typeof value === "string" ? value : JSON.stringify(value), secret: key === "gandiToken" },
      ]),
    ),
  );

test("old snapshots of each zone at LiveDNS go after an update", async () => {
  const asked: object[] = [];
  const dns = { provider: "gandi", snapshots: 3, ttl: 300 };
  const keys = { domain: "a.test", domains: ["b.test", "c.test"], dns, gandiToken: "secret" };
  const told = await tidyZones(config(keys), async (args) => {
    asked.push(args);
    if (args.zone === "c.test") throw new Error("snapshots of c.test: LiveDNS has a fault");
    return args.zone === "a.test" ? 1 : 0;
  });
  const auth = { apiUrl: "https://api.gandi.net/v5/livedns", token: "secret" };
  assert.deepEqual(
    asked,
    ["a.test", "b.test", "c.test"].map((zone) => ({ zone, keep: 3, auth })),
  );
  assert.deepEqual(told, [
    "✓ 1 old snapshot of a.test removed",
    "! snapshots of c.test: LiveDNS has a fault",
  ]);
});

for (const [name, keys] of Object.entries({
  "the zone is entered by hand": { domain: "a.test" },
  "the stack has a name server of its own": { domain: "a.test", dns: { provider: "dev" } },
})) {
  test(`LiveDNS is asked nothing when ${name}`, async () =>
    assert.deepEqual(await tidyZones(config(keys), () => assert.fail("asked")), []));
}
