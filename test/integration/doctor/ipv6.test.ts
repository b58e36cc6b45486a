/** A zone whose only name server has IPv6 alone: who waits for a key there, and the doctor, ask it all the same. */
import assert from "node:assert/strict";
import { generateKeyPairSync, randomInt } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { missingAt, serversOf, system } from "../../../components/providers/record-seen/crud.ts";
import { createQuery } from "../../../tools/doctor/ask.ts";
import { examineDns } from "../../../tools/doctor/examine.ts";
import type { StackFacts } from "../../../tools/doctor/stack-facts.ts";
import { openLab } from "../../support/docker.ts";
import { factsOf, linesOf } from "../../support/doctor.ts";

const ZONE = "six.test";
const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const KEY = publicKey.export({ type: "spki", format: "der" }).toString("base64");
const BARE = { zone: ZONE, config: {} };
const KNOT = `
server:
    listen: ::@53
template:
  - id: default
    storage: /var/lib/knot
zone:
  - domain: ${ZONE}
    file: /var/lib/knot/${ZONE}.zone
`;

const lab = openLab();
/** As the engine writes it: no zero leads a group (RFC 5952 section 4.1). */
const prefix = [0xfd00 | randomInt(0x100), randomInt(0x10000), randomInt(0x10000)]
  .map((group) => group.toString(16))
  .join(":");
/** The first that is given out: the gateway has the one before. */
const server = `${prefix}::2`;
let facts: StackFacts;

before(async () => {
  facts = factsOf(BARE, KEY, { resolver: server, nameServer: "" });
  const { nameServer: _, ...rest } = facts;
  facts = rest;
  const network = await lab.network({ ipv6: `${prefix}::/64` });
  const zone = [
    "$TTL 300",
    "@ SOA ns1 hostmaster 1 10800 3600 604800 60",
    "@ NS ns1",
    `ns1 AAAA ${server}`,
    ...linesOf({ ...BARE, set: {}, ttl: 300 }, facts),
  ];
  const knot = await lab.run({
    image: await lab.ensureImage("knot", join(import.meta.dirname, "../../fixtures/images/knot")),
    networks: { [network]: [] },
    settings: { "knot.conf": KNOT, [`${ZONE}.zone`]: `${zone.join("\n")}\n` },
    health: true,
  });
  await knot.waitHealthy();
  const { NetworkSettings } = await lab.docker.getContainer(knot.id).inspect();
  assert.equal(NetworkSettings.Networks[network]?.GlobalIPv6Address, server);
});
after(() => lab.cleanup());

it("is seen to have a record, or not to have it", async () => {
  const resolver = new Resolver({ timeout: 2_000, tries: 3 });
  resolver.setServers([server]);
  const deps = { ...system, servers: (zone: string) => serversOf(zone, resolver) };
  const wanted = { zone: ZONE, name: "semail1._domainkey", servers: [], patienceSeconds: 1 };
  assert.deepEqual(await missingAt({ ...wanted, value: `v=DKIM1; k=rsa; p=${KEY}` }, deps), []);
  assert.deepEqual(await missingAt({ ...wanted, value: "v=DKIM1; p=other" }, deps), [
    `${server} has another value there`,
  ]);
});

it("is asked by the doctor, who finds nothing wrong", async () => {
  const checks = await examineDns(facts, [], createQuery(Date.now));
  assert.deepEqual(
    checks.flatMap(({ findings }) => findings),
    [],
  );
  const about = (what: string) => checks.find((check) => check.about === what);
  assert.deepEqual(about(ZONE), { area: "Name servers", about: ZONE, findings: [] });
  assert.equal(about(`MX ${ZONE}`)?.unknown, undefined);
});
