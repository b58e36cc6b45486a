/** Requests: with which token and where, how often, and what is made of failures and of nonsense. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as crud from "../../../sdks/gandi/crud.ts";
import { apiUrlFault, delayMs } from "../../../sdks/gandi/http.ts";
import {
  type Answer,
  created,
  failing,
  held,
  path,
  scriptedLiveDns,
  token,
  zoneOf,
} from "../../support/scripted-livedns.ts";

const api = scriptedLiveDns();

test("connections are kept and used again", async () => {
  api.script = Array.from({ length: 20 }, () => held(['"v=spf1 mx -all"']));
  for (let n = 0; n < 20; n += 1) {
    await crud.read("id", api.props, api.deps);
    api.now += 60_000;
  }
  assert.equal(api.requests.length, 20);
  // A second one may be opened before the first is known to be free again.
  assert.ok(api.sockets.size <= 2, `${api.sockets.size} connections`);
});

test("the token comes from the environment when it is needed, and must be there", async () => {
  const auth = { apiUrl: (api.props.auth as { apiUrl: string }).apiUrl };
  api.script = [created];
  const adopted = { ...api.props, auth, adoptExisting: true };
  const { outs } = await crud.create(adopted, {
    ...api.deps,
    env: { GANDI_PERSONAL_ACCESS_TOKEN: "from-env" },
  });
  assert.equal(api.requests[0]?.authorization, "Bearer from-env");
  assert.ok(!JSON.stringify(outs).includes("from-env"));
  await assert.rejects(
    crud.create(adopted, api.deps),
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
    api.script = [answer, created];
    await crud.update("", { ...api.props, ttl: 300 }, api.props, api.deps);
    assert.deepEqual(api.lines(), [`PUT ${path}`, `PUT ${path}`]);
    assert.deepEqual(api.slept, waits);
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
    api.script = Array.from({ length: 9 }, () => failing(status, "because"));
    await assert.rejects(crud.update("", { ...api.props, ttl: 300 }, api.props, api.deps), (error: Error) => {
      assert.match(error.message, /^TXT record @ of example\.org: /);
      assert.match(error.message, message);
      assert.ok(!`${error.stack}${JSON.stringify(error.cause)}`.includes(token));
      return true;
    });
    assert.equal(api.requests.length, attempts);
  });
}

test("validation errors in LiveDNS's other form are told in full", async () => {
  const errors = [{ location: "body", name: "rrset_ttl", description: "60 is less than minimum value 300" }];
  api.script = [{ status: 400, body: { status: "error", errors } }];
  await assert.rejects(
    crud.update("", { ...api.props, ttl: 300 }, api.props, api.deps),
    /\(400: rrset_ttl: 60 is less than minimum value 300\)/,
  );
});

test("no answer at all ends after 6 attempts and names the address", async () => {
  const auth = { apiUrl: "http://127.0.0.1:1", token };
  await assert.rejects(
    crud.update("", { ...api.props, ttl: 300 }, { ...api.props, auth }, api.deps),
    /no answer from http:\/\/127\.0\.0\.1:1 after 6 attempts: .*Check auth\.apiUrl/,
  );
  assert.deepEqual(api.slept, [500, 1000, 2000, 4000, 8000]);
});

const nonsense: { name: string; answer: Answer; message?: RegExp }[] = [
  { name: "a page of HTML", answer: { status: 200, body: "<html>welcome</html>" } },
  { name: "JSON that is cut off", answer: { status: 200, body: '[{"rrset_name": "@", "rrset_' } },
  { name: "another shape", answer: { status: 200, body: { records: [] } } },
  { name: "values of another kind", answer: held([1 as unknown as string]) },
  {
    name: "records that are counted and not shown",
    answer: { ...zoneOf(), headers: { "total-count": "12" } },
  },
  {
    name: "more than any zone has",
    answer: { status: 200, body: `["${"x".repeat(17 * 2 ** 20)}"]` },
    message: /has more than \d+ bytes: check auth\.apiUrl/,
  },
  {
    name: "a redirect",
    answer: { status: 302, headers: { location: "http://127.0.0.1:1/elsewhere" } },
    message: /sends on to another address, where the token doesn't go: correct auth\.apiUrl \(302: /,
  },
];
for (const { name, answer, message = /does not answer as LiveDNS does: check auth\.apiUrl/ } of nonsense) {
  test(`a record is not gone, and nothing is asked again, when the answer is ${name}`, async () => {
    api.script = [answer];
    await assert.rejects(crud.read("id", api.props, api.deps), message);
    assert.equal(api.requests.length, 1);
  });
}

const unconfirmed: Answer[] = [
  { status: 200, body: "<html>welcome</html>" },
  { status: 200, body: "" },
  { status: 200, body: [] },
];
for (const answer of unconfirmed) {
  test(`nothing passes for changed that LiveDNS does not confirm: ${JSON.stringify(answer.body)}`, async () => {
    const record = { ...api.props, name: "www" };
    const works: (() => Promise<unknown>)[] = [
      () => crud.create({ ...record, adoptExisting: true }, api.deps),
      () => crud.update("", { ...record, ttl: 300 }, record, api.deps),
      () => crud.remove("", { ...record, values: ["x"] }, api.deps),
      () => crud.create({ ...record, snapshot: true }, api.deps),
    ];
    for (const [at, work] of works.entries()) {
      api.script = at === 2 ? [zoneOf(["www", "TXT"]), answer] : [answer];
      await assert.rejects(work, /does not answer as LiveDNS does/);
    }
    assert.equal(api.requests.length, works.length + 1);
  });
}

test("an answer that breaks off is asked for again", async () => {
  api.script = [{ ...held(["x"]), drop: "halfway" }, held(["x"])];
  assert.equal((await crud.read("id", api.props, api.deps)).id, "id");
});

test("who answers the same page forever is asked no more at some time", async () => {
  const page = zoneOf(...Array.from({ length: 500 }, (_, n): [string, string] => [`n${n}`, "A"]));
  api.script = Array.from({ length: 300 }, () => page);
  await assert.rejects(crud.read("id", api.props, api.deps), /does not answer as LiveDNS does/);
  assert.equal(api.requests.length, 200);
});

test("an error tells nothing that the API should not have said: no token, no control characters", async () => {
  const echo = `Authorization: Bearer ${token}\n\u001b[2J\u202egnp.exe ${"x".repeat(1_000)}`;
  for (const body of [echo, { message: echo }]) {
    api.script = [{ status: 418, body }];
    await assert.rejects(crud.read("id", api.props, api.deps), ({ message }: Error) => {
      assert.doesNotMatch(message, /\p{C}/u);
      assert.ok(!message.includes(token) && message.length < 500);
      return true;
    });
  }
});

test("delays grow, are bounded, and follow Retry-After", () => {
  assert.deepEqual(
    [1, 2, 3].map((n) => delayMs(n, null, 0)),
    [250, 500, 1000],
  );
  assert.equal(delayMs(20, null, 1), 60_000);
  assert.equal(delayMs(1, "3", 0), 3000);
  assert.equal(delayMs(1, "86400", 0), 60_000);
  // Who says "at once" to all would have all attempts in a moment.
  for (const nothing of ["0", "", "-5", "soon"]) assert.equal(delayMs(3, nothing, 1), 2000);
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
