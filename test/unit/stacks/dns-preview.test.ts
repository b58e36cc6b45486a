import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../../stacks/check-config.ts";
import type { HeldRecord } from "../../../stacks/dns/held.ts";
import { findFaults, mergeHeld, unchangedRecords } from "../../../stacks/dns/preview.ts";
import { buildModel } from "../../../stacks/model.ts";
import { record } from "./held-record.ts";

describe("a model beside what its zone holds", () => {
  const model = (raw: Record<string, unknown>) => {
    const { config } = parseConfig({ domain: "example.org", host: { address: "192.0.2.25" }, ...raw });
    assert.ok(config);
    return buildModel(config, { project: "semail", stack: "prod" });
  };
  const held = [record("@", "TXT", ['"site-verification=1"', '"v=spf1 include:y.example ~all"'])];
  const asking = (texts: Record<string, string[] | undefined>, names: string[] | undefined) => ({
    published: [],
    resolver: {
      ask: async (name: string) => (name in texts ? texts[name] : []),
      reverse: async (_address: string): Promise<string[] | undefined> => names,
      servers: async (): Promise<string[] | undefined> => [],
    },
  });
  const PTR = ["smtp.example.org"];

  it("keeps what others entered where told to merge, and is left in the zone with it", () => {
    const txt = mergeHeld(model({ dns: { spf: "merge" } }), held).find(
      ({ name, type }) => name === "@" && type === "TXT",
    );
    assert.deepEqual(txt?.values, [
      "site-verification=1",
      "v=spf1 include:y.example a:smtp.example.org ~all",
    ]);
    assert.equal(txt?.shared, true);
    assert.deepEqual(mergeHeld(model({}), held), model({}).records);
  });

  it("changes no record when it wants what was published, others' texts among it", () => {
    const merging = model({ dns: { spf: "merge" } });
    const published = mergeHeld(merging, held);
    assert.deepEqual(unchangedRecords(merging, published), published);
    assert.deepEqual(unchangedRecords(model({}), model({}).records), model({}).records);
    const [first, ...rest] = published;
    for (const changed of [
      rest,
      [{ ...first, ttl: 600 }, ...rest],
      [{ ...first, values: ["192.0.2.99"] }, ...rest],
    ] as HeldRecord[][])
      assert.equal(unchangedRecords(merging, changed), undefined);
    const { records } = model({ domains: ["example.net"] });
    for (const fewer of [{}, { domains: ["example.net"], leaving: ["example.net"] }])
      assert.equal(unchangedRecords(model(fewer), records), undefined);
  });

  it("warns of a sending host's IPv6 address without a PTR record", async () => {
    const both = model({ host: { address: "192.0.2.1", address6: "2001:db8::1" } });
    const asked: string[] = [];
    const found = await findFaults(both, [], {
      ...asking({}, PTR),
      resolver: {
        ...asking({}, PTR).resolver,
        reverse: async (address: string) => {
          asked.push(address);
          return address.includes(":") ? [] : PTR;
        },
      },
    });
    assert.deepEqual(asked, ["192.0.2.1", "2001:db8::1"]);
    assert.deepEqual(
      found.map(({ record }) => record),
      ["2001:db8::1 PTR"],
    );
  });

  it("warns when the world asks other name servers than LiveDNS's", async () => {
    const live = model({ dns: { provider: "gandi" } });
    const withServers = async (servers: string[] | undefined) => {
      const { resolver, ...rest } = asking({}, PTR);
      const found = await findFaults(live, [], {
        ...rest,
        resolver: { ...resolver, servers: async () => servers },
      });
      return found.map(({ rule, remedy }) => `${rule}: ${remedy}`).join();
    };
    assert.equal(await withServers(["ns-1-a.gandi.net", "ns-2-b.gandi.net"]), "");
    assert.equal(await withServers(undefined), "");
    assert.match(await withServers(["ns1.other.example"]), /^LiveDNS serves the zone: .*Nameservers/);
    assert.match(await withServers([]), /^LiveDNS serves the zone/);
  });

  it("has no finding by default", async () =>
    assert.deepEqual(await findFaults(model({}), [], asking({}, PTR)), []));

  it("warns of a PTR record that is missing or names another", async () => {
    for (const names of [[], ["host.provider.example"], undefined]) {
      const [finding, ...more] = await findFaults(model({}), [], asking({}, names));
      assert.deepEqual([finding?.severity, more.length], ["warning", 0]);
      assert.match(finding?.rule ?? "", /PTR/);
    }
  });

  it("lets reports go abroad only where they are welcome", async () => {
    const abroad = model({ dns: { dmarc: { rua: ["d@reports.example"] } } });
    const name = "example.org._report._dmarc.reports.example";
    const severities = async (texts: string[] | undefined) =>
      (await findFaults(abroad, [], asking({ [name]: texts }, PTR))).map(({ severity }) => severity);
    assert.deepEqual(await severities(["v=DMARC1"]), []);
    assert.deepEqual(await severities([]), ["error"]);
    assert.deepEqual(await severities(undefined), ["warning"]);
  });
});
