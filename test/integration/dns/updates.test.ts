/** What updates of records ask of LiveDNS, in which order, and how often; and records that were there before. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { execa } from "execa";
import { type DnsProject, mailDomainProgram, makeDnsProject } from "../../support/dns-project.ts";
import { type FakeLiveDns, startFakeLiveDns } from "../../support/fake-livedns.ts";

const ZONE = "example.org";
let api: FakeLiveDns;
let project: DnsProject;

beforeEach(async () => {
  api = await startFakeLiveDns([ZONE]);
  project = await makeDnsProject({ GANDI_PERSONAL_ACCESS_TOKEN: api.token, GANDI_API_URL: api.apiUrl });
});
afterEach(async () => {
  api.close();
  await project.dispose();
});

const up = () => project.stack.up({ suppressOutputs: true });
/** The calls of some work. */
async function callsOf(work: () => Promise<unknown>): Promise<string[]> {
  const before = api.calls.length;
  await work();
  return api.calls.slice(before);
}

const DOMAIN = (dns: object = {}): string => mailDomainProgram({ domain: ZONE, dns });

describe("an update of a mail domain", () => {
  it("makes the key first and the MX last; takes the MX out first; and keeps the zone before, once", async () => {
    await project.program(DOMAIN());
    const made = await callsOf(up);
    const posts = made.filter((call) => call.startsWith("POST") && call.includes("/records/"));
    assert.match(posts[0] ?? "", /semail1\._domainkey\/TXT$/);
    assert.match(posts.at(-1) ?? "", /records\/@\/MX$/);
    assert.equal(api.snapshots.length, 1);
    assert.deepEqual(api.snapshots[0]?.sets, 0);
    const gone = await callsOf(() => project.stack.destroy({ suppressOutputs: true }));
    const deletes = gone.filter((call) => call.startsWith("DELETE"));
    assert.match(deletes[0] ?? "", /records\/@\/MX$/);
    assert.match(deletes.at(-1) ?? "", /semail1\._domainkey\/TXT$/);
    assert.equal(deletes.length, posts.length);
    assert.equal(api.zones.get(ZONE)?.size, 0);
    assert.equal(api.snapshots.at(-1)?.sets, posts.length);
  });

  it("takes no more than two calls beside one for each record set that changes", async () => {
    await project.program(DOMAIN());
    assert.equal((await callsOf(() => project.stack.preview())).length, 1);
    const made = await callsOf(up);
    const records = api.zones.get(ZONE)?.size ?? 0;
    assert.ok(records > 10);
    assert.equal(made.length, 2 + records);
    assert.equal((await callsOf(up)).length, 1);
    await project.program(DOMAIN({ dmarc: { policy: "reject" } }));
    const changed = await callsOf(up);
    assert.deepEqual(
      changed.map((call) => call.replace(/\?.*/, "")),
      [
        `GET /domains/${ZONE}/records`,
        `POST /domains/${ZONE}/snapshots`,
        `PUT /domains/${ZONE}/records/_dmarc/TXT`,
      ],
    );
    const refreshed = await callsOf(() => project.stack.refresh({ suppressOutputs: true }));
    assert.equal(refreshed.length, 1);
  });
});

describe("a host that moves", () => {
  const at = (seconds: number): Date => new Date(Date.parse("2026-11-01T00:00:00Z") + seconds * 1_000);
  const program = (seconds: number, ttl: number, address: string, dns: object = {}) =>
    project.program(mailDomainProgram({ domain: ZONE, address, now: at(seconds), dns: { ttl, ...dns } }));
  const changes = (calls: readonly string[]) =>
    calls.filter((call) => call.startsWith("PUT")).map((call) => call.replace(/^.*\/records\//, ""));

  it("is refused in one update, and done in two, of which the preview says when the second is right", async () => {
    const [old, next] = ["192.0.2.1", "192.0.2.2"];
    await program(0, 10_800, old);
    await up();
    await program(100, 10_800, next);
    const refused = await callsOf(() =>
      assert.rejects(up(), /mx\.example\.org A, smtp\.example\.org A.*10800 s after/s),
    );
    assert.equal(refused.length, 1);

    await program(100, 300, old);
    const told = await project.stack.preview();
    assert.match(told.stdout, /the TTL goes from 10800 to 300 s: from 2026-11-01T03:01:40\.000Z on/);
    const lowered = changes(await callsOf(up));
    assert.ok(lowered.includes("mx/A") && lowered.includes("@/MX"));
    assert.match(lowered.at(-1) ?? "", /^@\/MX$/);

    await program(5_000, 300, next);
    await assert.rejects(up(), /until 2026-11-01T03:01:40\.000Z/);
    assert.deepEqual(api.zones.get(ZONE)?.get("mx/A")?.rrset_values, [old]);

    await program(10_900, 300, next);
    assert.match(
      (await project.stack.preview()).stdout,
      /follow within 300 s.*until 2026-11-01T03:06:40\.000Z/s,
    );
    const moved = changes(await callsOf(up));
    assert.deepEqual(moved.toSorted(), ["imap/A", "mx/A", "smtp/A"]);
    assert.deepEqual(api.zones.get(ZONE)?.get("mx/A")?.rrset_values, [next]);
  });

  it("moves at once where that is wanted", async () => {
    await program(0, 10_800, "192.0.2.1");
    await up();
    await program(1, 10_800, "192.0.2.2", { changeNow: true });
    assert.equal(changes(await callsOf(up)).length, 3);
  });
});

describe("a record that is there before", () => {
  const RECORD = (values: string[]) => `
import { Record } from "@pulumi/gandi";
new Record("spf", { zone: "${ZONE}", name: "@", type: "TXT", ttl: 300, values: ${JSON.stringify(values)} });
`;
  const SET = { rrset_ttl: 300, rrset_values: ['"v=spf1 mx -all"'] };
  beforeEach(() => api.zones.get(ZONE)?.set("@/TXT", SET));

  it("is left alone, the same or not, by a program that makes it", async () => {
    for (const values of [["v=spf1 mx -all"], ["v=spf1 -all"]]) {
      await project.program(RECORD(values));
      await assert.rejects(up(), /TXT record @ of example\.org: it exists already.*adoptExisting: true/);
      assert.deepEqual(api.zones.get(ZONE)?.get("@/TXT"), SET);
    }
  });

  it("is taken over by `pulumi import`, and then is the program's to change and to remove", async () => {
    const env = { ...process.env, ...project.stack.workspace.envVars };
    const options = { cwd: project.folder, env };
    const file = join(project.folder, "records.json");
    const script = join(project.folder, "sdks/gandi/import.ts");
    const { stdout } = await execa("node", [script, `spf=${ZONE}/@/TXT`], options);
    assert.ok(!stdout.includes(api.token));
    await writeFile(file, stdout);
    const args = [
      "import",
      "--file",
      file,
      "--yes",
      "--protect=false",
      "--generate-code=false",
      "--stack",
      "test",
    ];
    await execa("pulumi", args, options);
    await project.program(RECORD(["v=spf1 mx -all"]));
    const { summary } = await up();
    assert.equal(summary.resourceChanges?.create, undefined);
    assert.equal(summary.resourceChanges?.replace, undefined);
    await project.program(RECORD(["v=spf1 -all"]));
    await up();
    assert.deepEqual(api.zones.get(ZONE)?.get("@/TXT")?.rrset_values, ['"v=spf1 -all"']);
    await project.stack.destroy({ suppressOutputs: true });
    assert.equal(api.zones.get(ZONE)?.size, 0);
  });

  it("is not imported where there is none, nor by half a name", async () => {
    const script = join(project.folder, "sdks/gandi/import.ts");
    const options = { cwd: project.folder, reject: false, env: project.stack.workspace.envVars ?? {} };
    for (const [arg, message] of [
      [`a=${ZONE}/www/A`, /LiveDNS has no record example\.org\/www\/A/],
      [`a=${ZONE}/www`, /is no id of a record: write zone\/name\/type/],
      [`${ZONE}/www/A`, /is not of the form NAME=ZONE\/RECORD\/TYPE/],
      ["a=other.example/www/A", /no zone other\.example that this token can see/],
    ] as const) {
      const { stderr, exitCode } = await execa("node", [script, arg], options);
      assert.equal(exitCode, 1);
      assert.match(stderr, message);
    }
  });
});
