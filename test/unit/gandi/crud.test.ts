/** The operations against a scripted API: what is sent, when it is sent again, what errors say. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { afterEach, beforeEach, test } from "node:test";
import { connect } from "../../../sdks/gandi/client.ts";
import * as crud from "../../../sdks/gandi/crud.ts";
import { apiUrlFault, type Deps, delayMs } from "../../../sdks/gandi/http.ts";
import { createListings, createOnce } from "../../../sdks/gandi/listing.ts";

interface Answer {
  status: number;
  body?: unknown;
  headers?: { [name: string]: string };
  /** Closes the connection instead. */
  drop?: boolean;
}

const token = "secret-token";
const kept = { status: 201, body: { id: "1", message: "Snapshot Created" } };
const unknownRecord = {
  status: 404,
  body: { code: 404, message: "Can't find it", object: "dns-record", cause: "Not Found" },
};
const created = { status: 201, body: { message: "DNS Record Created" } };
/** A zone that has the record, and another one. */
const held = (values: string[], ttl = 10_800) => ({
  status: 200,
  body: [
    { rrset_name: "www", rrset_type: "TXT", rrset_ttl: 300, rrset_values: ["x"] },
    { rrset_name: "@", rrset_type: "TXT", rrset_ttl: ttl, rrset_values: values },
  ],
});
const failing = (status: number, message: string) => ({
  status,
  body: { code: status, message, object: "x", cause: "y" },
});

let server: Server;
let script: Answer[];
let requests: { line: string; body: string; authorization: string | undefined }[];
let sockets: Set<unknown>;
let slept: number[];
let deps: Deps;
let now = 0;
let props: { [key: string]: unknown };

async function textOf(request: IncomingMessage) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

beforeEach(async () => {
  script = [];
  requests = [];
  slept = [];
  sockets = new Set();
  server = createServer(async (request, response) => {
    sockets.add(request.socket);
    const body = await textOf(request);
    requests.push({
      line: `${request.method} ${request.url}`,
      body,
      authorization: request.headers.authorization,
    });
    const answer: Answer = script.shift() ?? failing(500, "the script is at its end");
    if (answer.drop) return void request.socket.destroy();
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body ?? ""));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  deps = {
    fetch,
    sleep: async (ms) => void slept.push(ms),
    random: () => 1,
    env: {},
    now: () => new Date(now),
    listings: createListings(() => now),
    once: createOnce(),
  };
  const auth = { apiUrl: `http://127.0.0.1:${address.port}/v5/livedns/`, token };
  const wanted = {
    zone: "example.org",
    name: "@",
    type: "TXT",
    values: ["v=spf1 mx -all"],
    snapshot: false,
    auth,
  };
  props = (await crud.check({}, wanted)).inputs;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const path = "/v5/livedns/domains/example.org/records/@/TXT";
const SNAPSHOT = "POST /v5/livedns/domains/example.org/snapshots";
const LISTING = "GET /v5/livedns/domains/example.org/records?page=1&per_page=500";
const zoneOf = (...sets: readonly [string, string][]): Answer => ({
  status: 200,
  body: sets.map(([rrset_name, rrset_type]) => ({
    ...{ rrset_name, rrset_type, rrset_ttl: 300, rrset_values: ["x"] },
  })),
});
const lines = () => requests.map((request) => request.line);

test("create posts the quoted value with the token", async () => {
  script = [created];
  const { id, outs } = await crud.create(props, deps);
  assert.equal(id, "example.org/@/TXT");
  assert.deepEqual(outs, props);
  assert.deepEqual(lines(), [`POST ${path}`]);
  assert.deepEqual(JSON.parse(requests[0]?.body ?? ""), {
    rrset_ttl: 10_800,
    rrset_values: ['"v=spf1 mx -all"'],
  });
  assert.equal(requests[0]?.authorization, `Bearer ${token}`);
});

test("a zone is kept before the first change of an update, and only then", async () => {
  const careful = { ...props, snapshot: true };
  script = [kept, created, created, { status: 204 }];
  await crud.create(careful, deps);
  await crud.update("", { ...careful, ttl: 300 }, careful, deps);
  await crud.remove("", careful, deps);
  assert.deepEqual(lines(), [SNAPSHOT, `POST ${path}`, `PUT ${path}`, `DELETE ${path}`]);
  assert.deepEqual(JSON.parse(requests[0]?.body ?? ""), { name: "before Pulumi, 1970-01-01T00:00:00.000Z" });
  script = [kept, created, kept, created];
  await Promise.all(["a.test", "b.test"].map((zone) => crud.create({ ...careful, zone }, deps)));
  assert.equal(lines().filter((line) => line.endsWith("/snapshots")).length, 3);
});

test("nothing is changed without its snapshot, and the error says how to do without", async () => {
  const careful = { ...props, snapshot: true };
  script = [failing(422, "too many")];
  await assert.rejects(
    crud.create(careful, deps),
    /^Error: TXT record @ of example\.org: no snapshot .* snapshot: false \(422: too many\)/,
  );
  script = [failing(403, "no")];
  await assert.rejects(crud.create(careful, deps), /may not do this/);
  assert.deepEqual(lines(), [SNAPSHOT, SNAPSHOT]);
  script = [kept, created];
  await crud.create(careful, deps);
});

test("new credentials alone need no snapshot", async () => {
  script = [held([])];
  await crud.update("", { ...props, snapshot: true }, { ...props, snapshot: true }, deps);
  assert.deepEqual(lines(), [LISTING]);
});

test("a whole refresh asks once what the zone holds; a change makes it ask anew", async () => {
  script = [zoneOf(["n1", "TXT"], ["n2", "TXT"])];
  const names = ["n1", "n2", "n3"];
  const found = await Promise.all(names.map((name) => crud.read(name, { ...props, name }, deps)));
  assert.deepEqual(
    found.map(({ id }) => id),
    ["n1", "n2", undefined],
  );
  assert.deepEqual(lines(), [LISTING]);
  script = [created, zoneOf(["n3", "TXT"])];
  await crud.create({ ...props, name: "n3" }, deps);
  assert.equal((await crud.read("n3", { ...props, name: "n3" }, deps)).id, "n3");
  now += 60_000;
  script = [zoneOf()];
  assert.deepEqual(await crud.read("n3", { ...props, name: "n3" }, deps), {});
});

test("a listing that fails is asked for again", async () => {
  script = [failing(403, "no"), held([])];
  await assert.rejects(crud.read("id", props, deps));
  await crud.read("id", props, deps);
});

test("a zone is listed to its last page", async () => {
  const page = Array.from({ length: 500 }, (_, number): [string, string] => [`n${number}`, "A"]);
  script = [zoneOf(...page), zoneOf(["@", "TXT"])];
  assert.equal((await crud.read("id", props, deps)).id, "id");
  assert.deepEqual(lines(), [LISTING, LISTING.replace("page=1", "page=2")]);
});

test("a zone of pages shorter than asked for is listed to its last, too", async () => {
  const total = { headers: { "Total-Count": "3" } };
  const names: [string, string][][] = [
    [
      ["n1", "A"],
      ["n2", "A"],
    ],
    [["@", "TXT"]],
  ];
  script = names.map((page) => ({ ...zoneOf(...page), ...total }));
  assert.equal((await crud.read("id", props, deps)).id, "id");
  assert.equal(requests.length, 2);
  now += 60_000;
  // Records that went meanwhile are no reason to ask forever.
  script = [
    { ...zoneOf(["n1", "A"]), ...total },
    { ...zoneOf(), ...total },
  ];
  assert.deepEqual(await crud.read("id", props, deps), {});
});

test("connections are kept and used again", async () => {
  script = Array.from({ length: 20 }, () => held(['"v=spf1 mx -all"']));
  for (let n = 0; n < 20; n += 1) {
    await crud.read("id", props, deps);
    now += 60_000;
  }
  assert.equal(requests.length, 20);
  // A second one may be opened before the first is known to be free again.
  assert.ok(sockets.size <= 2, `${sockets.size} connections`);
});

for (const [what, answer] of Object.entries({
  "another value": failing(409, "A DNS Record already exists"),
  // LiveDNS has made nothing then, and says so by 200 instead of 201.
  "the same value": { status: 200, body: { message: "A DNS Record already exists with same value" } },
})) {
  test(`create refuses what exists with ${what}`, async () => {
    script = [answer];
    await assert.rejects(
      crud.create(props, deps),
      /^Error: TXT record @ of example\.org: it exists already.*adoptExisting: true/,
    );
    assert.equal(requests.length, 1);
  });
}

test("create with adoptExisting overwrites", async () => {
  script = [created];
  await crud.create({ ...props, adoptExisting: true }, deps);
  assert.deepEqual(lines(), [`PUT ${path}`]);
});

test("a create whose first answer was lost is not taken for a clash", async () => {
  script = [{ status: 0, drop: true }, failing(409, "exists"), held(['"v=spf1 mx -all"'])];
  await crud.create(props, deps);
  script = [{ status: 0, drop: true }, failing(409, "exists"), held(['"other"'])];
  await assert.rejects(crud.create(props, deps), /exists already/);
  script = [failing(409, "exists")];
  await assert.rejects(crud.create(props, deps), /exists already/);
  // The first attempt made it, so the second repeats what is there.
  script = [{ status: 0, drop: true }, { status: 200, body: {} }, held(['"v=spf1 mx -all"'])];
  await crud.create(props, deps);
});

test("the token comes from the environment when it is needed, and must be there", async () => {
  const auth = { apiUrl: (props.auth as { apiUrl: string }).apiUrl };
  script = [created];
  const adopted = { ...props, auth, adoptExisting: true };
  const { outs } = await crud.create(adopted, { ...deps, env: { GANDI_PERSONAL_ACCESS_TOKEN: "from-env" } });
  assert.equal(requests[0]?.authorization, "Bearer from-env");
  assert.ok(!JSON.stringify(outs).includes("from-env"));
  await assert.rejects(
    crud.create(adopted, deps),
    /no token: set auth\.token or GANDI_PERSONAL_ACCESS_TOKEN/,
  );
});

const passing = [
  {
    name: "429 with Retry-After",
    answer: { ...failing(429, "slow"), headers: { "retry-after": "7" } },
    waits: [7000],
  },
  { name: "503", answer: failing(503, "down"), waits: [500] },
  { name: "500 without JSON", answer: { status: 500, body: "<html>" }, waits: [500] },
  { name: "a dropped connection", answer: { status: 0, drop: true }, waits: [500] },
];
for (const { name, answer, waits } of passing) {
  test(`a passing failure is tried again: ${name}`, async () => {
    script = [answer, created];
    await crud.update("", { ...props, ttl: 300 }, props, deps);
    assert.deepEqual(lines(), [`PUT ${path}`, `PUT ${path}`]);
    assert.deepEqual(slept, waits);
  });
}

const lasting = [
  { status: 400, message: /correct its ttl or values \(400: because\)/, attempts: 1 },
  { status: 401, message: /refused the token.*\(401: because\)/, attempts: 1 },
  {
    status: 403,
    message: /let it manage the technical configuration of example\.org \(403: because\)/,
    attempts: 1,
  },
  { status: 404, message: /no zone example\.org.*add the domain.*\(404: because\)/, attempts: 1 },
  { status: 409, message: /clashes with another type.*\(409: because\)/, attempts: 1 },
  { status: 418, message: /not expected \(418: because\)/, attempts: 1 },
  { status: 422, message: /correct its ttl or values \(422: because\)/, attempts: 1 },
  { status: 429, message: /fewer requests.*--parallel \(429: because\)/, attempts: 6 },
  { status: 503, message: /has a fault \(6 attempts\): try again later \(503: because\)/, attempts: 6 },
];
for (const { status, message, attempts } of lasting) {
  test(`${status} ends after ${attempts} attempts, with cause and remedy`, async () => {
    script = Array.from({ length: 9 }, () => failing(status, "because"));
    await assert.rejects(crud.update("", { ...props, ttl: 300 }, props, deps), (error: Error) => {
      assert.match(error.message, /^TXT record @ of example\.org: /);
      assert.match(error.message, message);
      assert.ok(!`${error.stack}${JSON.stringify(error.cause)}`.includes(token));
      return true;
    });
    assert.equal(requests.length, attempts);
  });
}

test("validation errors in LiveDNS's other form are told in full", async () => {
  const errors = [{ location: "body", name: "rrset_ttl", description: "60 is less than minimum value 300" }];
  script = [{ status: 400, body: { status: "error", errors } }];
  await assert.rejects(
    crud.update("", { ...props, ttl: 300 }, props, deps),
    /\(400: rrset_ttl: 60 is less than minimum value 300\)/,
  );
});

test("no answer at all ends after 6 attempts and names the address", async () => {
  const auth = { apiUrl: "http://127.0.0.1:1", token };
  await assert.rejects(
    crud.update("", { ...props, ttl: 300 }, { ...props, auth }, deps),
    /no answer from http:\/\/127\.0\.0\.1:1 after 6 attempts: .*Check auth\.apiUrl/,
  );
  assert.deepEqual(slept, [500, 1000, 2000, 4000, 8000]);
});

test("an answer that is not LiveDNS's is said to be none", async () => {
  script = [{ status: 200, body: "<html>welcome</html>" }];
  await assert.rejects(crud.read("id", props, deps), /does not answer as LiveDNS does/);
});

test("a redirect is not followed: the token stays here", async () => {
  script = Array.from({ length: 6 }, () => ({ status: 302, headers: { location: "/elsewhere" } }));
  await assert.rejects(crud.read("id", props, deps), /no answer from/);
  assert.ok(!lines().includes("GET /elsewhere"));
});

const reads = [
  {
    name: "the same, spelled otherwise",
    answer: held(['"v=spf1 " "mx -all"']),
    ttl: 10_800,
    values: ["v=spf1 mx -all"],
  },
  {
    name: "another value, as bare text",
    answer: held(['"v=spf1 " "-all"']),
    ttl: 10_800,
    values: ["v=spf1 -all"],
  },
  { name: "another ttl", answer: held(['"v=spf1 mx -all"'], 300), ttl: 300, values: ["v=spf1 mx -all"] },
];
for (const { name, answer, ttl, values } of reads) {
  test(`read finds ${name}`, async () => {
    script = [answer];
    assert.deepEqual(await crud.read("id", props, deps), { id: "id", props: { ...props, ttl, values } });
  });
}

test("read says gone only when the zone is there and the record is not", async () => {
  script = [zoneOf(["@", "A"])];
  assert.deepEqual(await crud.read("id", props, deps), {});
  for (const [status, message] of [
    [404, /no zone example\.org/],
    [401, /\(401: no\)/],
    [403, /\(403: no\)/],
  ] as const) {
    now += 60_000;
    script = [failing(status, "no")];
    await assert.rejects(crud.read("id", props, deps), message);
  }
});

test("a record alone is asked for anew each time, and is absent only from a zone that is there", async () => {
  const client = connect(props.auth as object, deps);
  const key = { zone: "example.org", name: "@", type: "TXT" };
  const set = (value: string) => ({ rrset_ttl: 300, rrset_values: [value] });
  script = [set("1"), set("2")].map((body) => ({ status: 200, body }));
  assert.deepEqual([await client.record(key), await client.record(key)], [set("1"), set("2")]);
  script = [unknownRecord];
  assert.equal(await client.record(key), undefined);
  script = [failing(404, "not found"), { status: 200, body: { fqdn: "example.org" } }];
  assert.equal(await client.record(key), undefined);
  script = [failing(404, "Unknown domain"), failing(404, "Unknown domain")];
  await assert.rejects(client.record(key), /Unknown domain/);
});

test("read takes the record from the id when the state has none yet", async () => {
  script = [held(['"v=spf1 " "mx -all"'], 600)];
  const found = await crud.read("example.org/@/TXT", { auth: props.auth }, deps);
  assert.equal(found.id, "example.org/@/TXT");
  assert.deepEqual(found.props, { ...props, snapshot: true, ttl: 600, values: ["v=spf1 mx -all"] });
  for (const id of ["example.org", "example.org/@", "a/b/c/d"])
    await assert.rejects(crud.read(id, {}, deps), /is no id of a record: write zone\/name\/type/);
});

test("remove is content with what is gone, and with nothing else", async () => {
  script = [{ status: 204 }];
  await crud.remove("id", props, deps);
  script = [unknownRecord];
  await crud.remove("id", props, deps);
  assert.deepEqual(lines(), [`DELETE ${path}`, `DELETE ${path}`]);
  script = [failing(403, "no")];
  await assert.rejects(crud.remove("id", props, deps), /may not do this/);
});

test("new credentials are tried before they are recorded", async () => {
  script = [held(['"v=spf1 mx -all"'])];
  const { outs } = await crud.update(
    "",
    props,
    { ...props, auth: { ...(props.auth as object), token: "new" } },
    deps,
  );
  assert.deepEqual(lines(), [LISTING]);
  assert.equal((outs.auth as { token: string }).token, "new");
  script = [failing(401, "no")];
  await assert.rejects(crud.update("", props, props, deps), /refused the token/);
});

test("a name with a star and one with an underscore are asked for as such", async () => {
  script = [created, created];
  await crud.create({ ...props, name: "*", adoptExisting: true }, deps);
  await crud.create({ ...props, name: "_dmarc", adoptExisting: true }, deps);
  assert.deepEqual(lines(), [`PUT ${path.replace("@", "*")}`, `PUT ${path.replace("@", "_dmarc")}`]);
});

test("delays grow, are bounded, and follow Retry-After", () => {
  assert.deepEqual(
    [1, 2, 3].map((n) => delayMs(n, null, 0)),
    [250, 500, 1000],
  );
  assert.equal(delayMs(20, null, 1), 60_000);
  assert.equal(delayMs(1, "3", 0), 3000);
  assert.equal(delayMs(1, "86400", 0), 60_000);
  assert.equal(delayMs(1, "Wed, 21 Oct 2015 07:28:00 GMT", 1), 500);
});

const urls = [
  { url: "https://api.gandi.net/v5/livedns", good: true },
  { url: "http://127.0.0.1:8080", good: true },
  { url: "http://localhost", good: true },
  { url: "http://[::1]:80", good: true },
  { url: "http://172.20.0.4:8080", good: true },
  { url: "http://172.32.0.4:8080", good: false },
  { url: "http://api.gandi.net", good: false },
  { url: "http://[2001:db8::1]", good: false },
  { url: "ftp://127.0.0.1", good: false },
  { url: "api.gandi.net", good: false },
];
for (const { url, good } of urls) {
  test(`${url} ${good ? "may" : "must not"} be given a token`, () =>
    assert.equal(apiUrlFault(url) === undefined, good));
}
