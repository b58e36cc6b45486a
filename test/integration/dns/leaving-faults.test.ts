/** A domain that is given up by updates that fail, that others asked for, and beside others' records. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { UpOptions } from "@pulumi/pulumi/automation/index.js";
import {
  type DnsProject,
  type MailDomainKeys,
  mailDomainProgram,
  makeDnsProject,
} from "../../support/dns-project.ts";
import { type FakeLiveDns, startFakeLiveDns } from "../../support/fake-livedns.ts";

const [STAYS, LEAVES] = ["semail.test", "second.test"];
const TTL = 10_800;
const START = Date.parse("2026-11-01T00:00:00Z");
const BOTH = { domains: [LEAVES] };
const LEAVING = { domains: [LEAVES], leaving: [LEAVES] };
const GONE = { domains: [] };

let api: FakeLiveDns;
let project: DnsProject;

beforeEach(async () => {
  api = await startFakeLiveDns([STAYS, LEAVES]);
  project = await makeDnsProject({ GANDI_PERSONAL_ACCESS_TOKEN: api.token, GANDI_API_URL: api.apiUrl });
});
afterEach(async () => {
  api.close();
  await project.dispose();
});

/** An output that waits for what fails when all records are there, as a mailbox would that can't be made. */
const FAILING = `
const bad = new KeyPair("bad", { algorithm: "none" }, { dependsOn: published });
export const mailboxes = bad.urn;
`;

interface Update extends Omit<MailDomainKeys, "domain"> {
  /** Seconds since the first one. */
  readonly at: number;
  /** Seconds that it takes. */
  readonly takes?: number;
  readonly tail?: string;
  readonly refresh?: boolean;
}

/** One update; what it said, and an error's text where it failed. */
async function update({ at, takes = 0, tail = "", refresh = false, ...lists }: Update): Promise<string> {
  const [now, end] = [at, at + takes].map((seconds) => new Date(START + seconds * 1_000));
  await project.program(
    mailDomainProgram({ domain: STAYS, ...(now && end ? { now, end } : {}), dns: { ttl: TTL }, ...lists }) +
      tail,
  );
  const options: UpOptions = { suppressOutputs: true, refresh };
  return project.stack.up(options).then(({ stdout }) => stdout, String);
}

const mx = () => api.zones.get(LEAVES)?.get("@/MX")?.rrset_values;
const OURS = "10 mx.semail.test.";
const REFUSED = /✗ second\.test MX: the domain leaves the stack/;

describe("a domain that is given up", () => {
  it("counts from the update that took its MX record out, not from one that was refused it", async () => {
    await update({ at: 0, ...BOTH });
    api.admits = (call) => !call.startsWith("DELETE");
    assert.match(await update({ at: 100, ...LEAVING }), /401/);
    assert.deepEqual(mx(), [OURS]);
    api.admits = () => true;
    assert.match(await update({ at: 20_000, ...GONE }), REFUSED);
    assert.match(await update({ at: 20_000, ...LEAVING }), /until 2026-11-01T08:48:20\.000Z/);
    assert.equal(mx(), undefined);
    assert.match(await update({ at: 31_699, ...GONE }), REFUSED);
    assert.doesNotMatch(await update({ at: 31_700, ...GONE }), /✗/);
    assert.equal(api.zones.get(LEAVES)?.size, 0);
  });

  it("counts though the update that published it failed elsewhere", async () => {
    await update({ at: 0 });
    assert.match(await update({ at: 10, ...BOTH, tail: FAILING }), /failed/);
    assert.deepEqual(mx(), [OURS]);
    assert.match(await update({ at: 20, ...GONE }), REFUSED);
    assert.match(await update({ at: 20, ...LEAVING }), /until 2026-11-01T03:15:20\.000Z/);
    assert.match(await update({ at: 21, ...GONE }), REFUSED);
  });

  it("counts from the end of an update that takes long, which removes the record then", async () => {
    await update({ at: 0, ...BOTH });
    assert.match(await update({ at: 100, takes: 3_600, ...LEAVING }), /until 2026-11-01T03:16:40\.000Z/);
    assert.match(
      await update({ at: 15_399, ...GONE }),
      /✗ second\.test MX: .*until 2026-11-01T04:16:40\.000Z/,
    );
    assert.doesNotMatch(await update({ at: 15_400, ...GONE }), /✗/);
  });

  it("isn't gone before by an update that the portal asked for", async () => {
    await update({ at: 0, ...BOTH });
    await update({ at: 100, ...LEAVING });
    const records = api.zones.get(LEAVES)?.size;
    assert.match(await update({ at: 200, ...GONE, leavesDns: true }), REFUSED);
    assert.match(await update({ at: 200, ...GONE }), REFUSED);
    assert.equal(api.zones.get(LEAVES)?.size, records);
  });

  it("leaves another host's MX record where it is, also when the zone is read anew", async () => {
    await update({ at: 0, ...BOTH });
    const theirs = "20 mx.provider.example.";
    api.zones.get(LEAVES)?.set("@/MX", { rrset_ttl: 86_400, rrset_values: [OURS, theirs] });
    // Others remember both for as long as the set says.
    assert.match(await update({ at: 0, ...LEAVING, refresh: true }), /until 2026-11-02T00:15:00\.000Z/);
    assert.deepEqual(mx(), [theirs]);
  });

  it("is refused while the zone names the host by a record that isn't the stack's", async () => {
    await update({ at: 0, ...BOTH });
    await update({ at: 100, ...LEAVING });
    api.zones.get(LEAVES)?.set("@/MX", { rrset_ttl: 300, rrset_values: ["5 MX.semail.test."] });
    assert.match(await update({ at: 200, ...LEAVING }), /✗ second\.test MX: .*isn't the stack's/);
    api.zones.get(LEAVES)?.delete("@/MX");
    assert.match(await update({ at: 200, ...LEAVING }), /until 2026-11-01T03:16:40\.000Z/);
  });

  it("is told of when mail would come by its own address", async () => {
    api.zones.get(LEAVES)?.set("@/A", { rrset_ttl: 300, rrset_values: ["192.0.2.1"] });
    await update({ at: 0, ...BOTH });
    assert.match(await update({ at: 100, ...LEAVING }), /! second\.test A: it is the host's address/);
  });
});

describe("the host's own domain", () => {
  it("can't be another one while others remember MX records that name the host", async () => {
    await update({ at: 0, ...BOTH });
    const swapped = { domain: LEAVES, domains: [STAYS], leaving: [STAYS] };
    const said = await update({ at: 100, ...swapped });
    assert.match(said, /✗ mx\.semail\.test A: it goes, since semail:domain is another one/);
    assert.doesNotMatch(said, /semail:leaving, which takes/);
    assert.ok(api.zones.get(STAYS)?.has("mx/A"));
  });
});
