/** What updates of records ask of LiveDNS, in which order, and how often; and records that were there before. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { execa } from "execa";
import { type DnsProject, mailDomainProgram, makeDnsProject } from "../../support/dns-project.ts";
import { type FakeLiveDns, type RecordSet, startFakeLiveDns } from "../../support/fake-livedns.ts";

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

const set = (...values: string[]): RecordSet => ({ rrset_ttl: 300, rrset_values: values });
/** What a zone has beside mail. */
const OTHERS: [key: string, set: RecordSet][] = [
  ["@/A", set("198.51.100.1")],
  ["www/CNAME", set("@")],
  ["*/CNAME", set("www")],
  ["shop/NS", set("ns.example.")],
  ["_acme-challenge/TXT", set('"x"')],
  ["gm1._domainkey/CNAME", set("gm1.gandimail.net.")],
  ["mx/SSHFP", set("1 1 00")],
];

describe("an update of a mail domain", () => {
  it("makes the key first and the MX last; takes the MX out first; and keeps the zone before, once", async () => {
    const others = new Map(OTHERS);
    for (const [key, set] of others) api.zones.get(ZONE)?.set(key, set);
    await project.program(DOMAIN());
    const made = await callsOf(up);
    const posts = made.filter((call) => call.startsWith("POST") && call.includes("/records/"));
    assert.match(posts[0] ?? "", /semail1\._domainkey\/TXT$/);
    assert.match(posts.at(-1) ?? "", /records\/@\/MX$/);
    assert.equal(api.snapshots.length, 1);
    assert.deepEqual(api.snapshots[0]?.sets, others.size);
    const gone = await callsOf(() => project.stack.destroy({ suppressOutputs: true }));
    const deletes = gone.filter((call) => call.startsWith("DELETE"));
    assert.match(deletes[0] ?? "", /records\/@\/MX$/);
    assert.match(deletes.at(-1) ?? "", /semail1\._domainkey\/TXT$/);
    assert.equal(deletes.length, posts.length);
    assert.deepEqual(api.zones.get(ZONE), others);
    assert.equal(api.snapshots.at(-1)?.sets, posts.length + others.size);
    // Once what the zone has, once to keep it.
    assert.equal(gone.length, 2 + deletes.length);
  });

  it("leaves a zone to whom the domain's mail was given meanwhile", async () => {
    await project.program(DOMAIN());
    await up();
    const zone = api.zones.get(ZONE);
    const elsewhere = { rrset_ttl: 600, rrset_values: ["10 mx.provider.example."] };
    zone?.set("@/MX", elsewhere);
    const texts = zone?.get("@/TXT")?.rrset_values ?? [];
    zone?.set("@/TXT", { rrset_ttl: 600, rrset_values: [...texts, '"site-verification=1"'] });
    await project.stack.destroy({ suppressOutputs: true });
    assert.deepEqual(
      zone,
      new Map([
        ["@/TXT", { rrset_ttl: 600, rrset_values: ['"site-verification=1"'] }],
        ["@/MX", elsewhere],
      ]),
    );
  });

  it("is refused when somebody entered something in its place after the preview, and leaves that alone", async () => {
    await project.program(DOMAIN());
    await project.stack.preview();
    const theirs = { rrset_ttl: 300, rrset_values: ["10 mx.provider.example."] };
    api.zones.get(ZONE)?.set("@/MX", theirs);
    const calls = await callsOf(() => assert.rejects(up(), /example\.org MX: the zone has other values/));
    assert.equal(calls.length, 1);
    assert.deepEqual(api.zones.get(ZONE), new Map([["@/MX", theirs]]));
  });

  it("is refused by the preview where a record is there that isn't the stack's, though it is the same", async () => {
    const zone = api.zones.get(ZONE);
    const there: [key: string, set: RecordSet][] = [
      ["@/MX", set("10 mx.example.org.")],
      ["semail1._domainkey/TXT", set('"v=DKIM1; k=rsa; p=BBBB"')],
    ];
    for (const [key, set] of there) zone?.set(key, set);
    await project.program(DOMAIN());
    const calls = await callsOf(async () => {
      const text = await project.stack.preview().then(() => "", String);
      assert.match(text, /example\.org MX: the zone has it already[^✗]*adoptExisting/);
      assert.match(text, /semail1\._domainkey\.example\.org TXT: the zone has it already[^✗]*adoptExisting/);
    });
    assert.equal(calls.length, 1);
    assert.deepEqual(zone, new Map(there));
    await project.program(DOMAIN({ adoptExisting: true }));
    await up();
    await project.program(DOMAIN());
    await up();
    assert.equal(zone?.get("semail1._domainkey/TXT")?.rrset_values[0], '"v=DKIM1; k=rsa; p=AAAA"');
    await project.stack.destroy({ suppressOutputs: true });
    assert.equal(zone?.size, 0);
  });

  it("goes on where one ended that the token was refused to, and where one was killed", async () => {
    await project.program(DOMAIN());
    let changes = 0;
    api.admits = (call) => !call.includes("/records/") || ++changes <= 5;
    await assert.rejects(up(), /LiveDNS refused the token: set auth\.token/);
    const zone = api.zones.get(ZONE);
    assert.equal(zone?.size, 5);
    assert.ok(!zone?.has("@/MX"));
    api.admits = () => true;
    await up();
    assert.ok(zone?.has("@/MX"));
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

describe("an update that compares with the zone first", () => {
  const refreshing = { refresh: true, suppressOutputs: true };
  beforeEach(() => {
    // As the commands have it.
    project.stack.workspace.envVars.SEMAIL_REFRESHES = "1";
  });

  it("says beforehand what of others it will replace, and nothing where there is nothing", async () => {
    const warning = /example\.org MX: somebody changed it in the zone[^✗]*- 10 mx\.provider\.example\./;
    await project.program(DOMAIN());
    await up();
    assert.doesNotMatch((await project.stack.preview(refreshing)).stdout, /somebody changed it/);
    api.zones.get(ZONE)?.set("@/MX", set("10 mx.provider.example."));
    assert.match((await project.stack.preview(refreshing)).stdout, warning);
    assert.match((await project.stack.up(refreshing)).stdout, warning);
    assert.deepEqual(api.zones.get(ZONE)?.get("@/MX")?.rrset_values, ["10 mx.example.org."]);
  });

  it("takes out with the stack what the program asked for last, also where the zone had just that", async () => {
    const zone = api.zones.get(ZONE);
    const verification = '"site-verification=1"';
    zone?.set("@/TXT", set(verification));
    await project.program(DOMAIN({ spf: "merge" }));
    await up();
    const ours = zone?.get("@/TXT")?.rrset_values.filter((text) => text !== verification) ?? [];
    assert.equal(ours.length, 1);
    // Somebody takes the other text out by hand, and the config doesn't merge any more: nothing is to be changed.
    zone?.set("@/TXT", set(...ours));
    await project.program(DOMAIN());
    await project.stack.up(refreshing);
    zone?.set("@/TXT", set(...ours, verification));
    await project.stack.destroy({ suppressOutputs: true });
    assert.deepEqual(zone, new Map([["@/TXT", set(verification)]]));
  });
});

// How it is done without losing mail is in move.test.ts.
describe("an update that the portal asks for", () => {
  it("asks LiveDNS nothing, and does not mind what others entered meanwhile, or that nobody answers", async () => {
    const program = (leavesDns: boolean, dns: object = {}) =>
      project.program(mailDomainProgram({ domain: ZONE, leavesDns, dns: { spf: "merge", ...dns } }));
    const zone = api.zones.get(ZONE);
    zone?.set("@/TXT", { rrset_ttl: 300, rrset_values: ['"site-verification=1"'] });
    await program(false);
    await up();
    const left = new Map(zone);
    zone?.set("@/TXT", { rrset_ttl: 300, rrset_values: ['"v=spf1 -all"', '"v=spf1 a -all"'] });
    await assert.rejects(up(), /there are 2 SPF records/);
    await program(true);
    assert.deepEqual(await callsOf(up), []);
    // What it does change is looked at as ever.
    await program(true, { ttl: 600 });
    await assert.rejects(up(), /there are 2 SPF records/);
    const { "@/TXT": _, ...rest } = Object.fromEntries(zone ?? []);
    const { "@/TXT": __, ...before } = Object.fromEntries(left);
    assert.deepEqual(rest, before);
  });
});

describe("a host that moves", () => {
  const program = (address: string, dns: object = {}) =>
    project.program(mailDomainProgram({ domain: ZONE, address, dns: { ttl: 10_800, ...dns } }));

  it("is refused after one call, and moves at once where that is wanted, by a call for each record of it", async () => {
    await program("192.0.2.1");
    await up();
    await program("192.0.2.2");
    assert.equal((await callsOf(() => assert.rejects(up(), /10800 s after/))).length, 1);
    await program("192.0.2.2", { changeNow: true });
    const puts = (await callsOf(up)).filter((call) => call.startsWith("PUT"));
    assert.deepEqual(puts.map((call) => call.replace(/^.*\/records\//, "")).toSorted(), [
      "imap/A",
      "mx/A",
      "smtp/A",
    ]);
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
