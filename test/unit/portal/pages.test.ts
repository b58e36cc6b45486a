import assert from "node:assert/strict";
import { test } from "node:test";
import { person, testPortal } from "../../support/portal.ts";

for (const [retentionDays, parts] of [
  [7, ["alice@example.org", "shop@example.org", "kept for 7 days, until 2026-01-09"]],
  [0, ["shop@example.org", "gone for good: a deletion can"]],
] as const)
  test(`a deletion that can be taken back for ${retentionDays} days says so, and what is lost`, async () => {
    const alice = person("alice", { aliases: ["shop@example.org"], retentionDays });
    const { text } = await (await testPortal([alice]).browser().signIn("alice")).get("/delete");
    for (const part of parts) assert.ok(text.includes(part), part);
  });

for (const [what, keptUntil, wanted] of [
  ["within its time, with a button", "2026-01-02", true],
  ["after it, without one", "2026-01-01", false],
  ["where nothing is kept, without one", null, false],
] as const)
  test(`a mailbox that was given up is shown ${what}`, async () => {
    const carol = person("carol", { state: "deleted", deletedOn: "2025-12-03", keptUntil });
    const { text } = await (await testPortal([carol]).browser().signIn("carol")).get("/mailbox");
    assert.equal(text.includes('action="/delete/cancel"'), wanted, text);
    assert.equal(text.includes("kept until 2026-01-02"), wanted);
  });

test("a part that is down is said in the person's language", async () => {
  const portal = testPortal();
  const browser = await portal.browser().signIn("alice");
  portal.operator.state.down = true;
  const answer = await browser.get("/mailbox", { "accept-language": "fr" });
  assert.equal(answer.status, 503);
  assert.match(answer.text, /ne répond pas\. Il achèvera ce qu’il avait commencé/);
  portal.directory.down = true;
  const signIn = await portal.browser().post("/sign-in", { login: "alice", password: "x" });
  assert.equal(signIn.status, 503);
  assert.match(signIn.text, /directory of people/);
});

test("answers forbid foreign content, frames and keeping", async () => {
  const { headers } = await testPortal().browser().get("/sign-in");
  assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);
  assert.doesNotMatch(headers.get("content-security-policy") ?? "", /unsafe|http/);
  assert.equal(headers.get("cache-control"), "no-store");
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.equal(headers.get("referrer-policy"), "same-origin");
  assert.match(headers.get("strict-transport-security") ?? "", /max-age=\d+/);
});

test("the name that every machine has is not bound to TLS", async () => {
  const app = testPortal();
  const { headers } = await app.send("/sign-in", {}, "https://localhost:8443");
  assert.equal(headers.get("strict-transport-security"), null);
});

test("who has no mailbox chooses one, sees the domain's MX records, and follows the request", async () => {
  const portal = testPortal([person("carol", { state: "none", addresses: [] }), person("alice")]);
  const browser = await portal.browser().signIn("carol");
  assert.equal((await browser.get("/mailbox")).location, "/new");
  assert.match((await browser.get("/new")).text, /<td>mx\.example\.org\.<\/td><td>MX<\/td><td>300<\/td>/);
  assert.match((await browser.get("/new?domain=example.net")).text, /point here/);
  assert.match((await browser.post("/new", { local: "alice", domain: "example.org" })).text, /is taken/);
  assert.ok(portal.operator.state.prepared > 0, "the operator makes ready while one chooses");
  const made = await browser.post("/new", { local: "Carol", domain: "example.org" });
  assert.deepEqual(portal.operator.submitted, [
    { kind: "create", uid: "carol", address: "carol@example.org" },
  ]);
  assert.match((await browser.get(made.location ?? "")).text, /http-equiv="refresh"/);
  assert.match((await browser.get(`${made.location}/events`)).text, /^data: \{"text":"Done\."/);
});

test("a page with style and script weighs less than 60 KB", async () => {
  const { text } = await (await testPortal().browser().signIn("alice")).get("/mailbox");
  const parts = await Promise.all(
    [...text.matchAll(/(?:href|src)="(\/[a-z]+-[a-f0-9]{12}\.\w+)"/g)].map(async ([, path = ""]) =>
      (await testPortal().send(path)).text(),
    ),
  );
  assert.equal(parts.length, 2);
  assert.ok(Buffer.byteLength([text, ...parts].join("")) < 60_000);
});
