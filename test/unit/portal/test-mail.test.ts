import assert from "node:assert/strict";
import { test } from "node:test";
import { person, testPortal } from "../../support/portal.ts";

test("a test mail goes to who is signed in, in their language, and no more than five an hour", async () => {
  const portal = testPortal([person("alice", { addresses: ["alice@example.net"] }), person("bob")]);
  const browser = await portal.browser().signIn("alice");
  const ask = () => browser.post("/test-mail", { to: "bob@example.org" }, { "accept-language": "fr" });
  portal.relay.down = true;
  assert.match((await ask()).text, /n’a pas pu être envoyé/);
  portal.relay.down = false;
  for (let count = 0; count < 5; count += 1)
    assert.match((await ask()).text, /est en route vers alice@example\.net/);
  const limited = await ask();
  assert.equal(limited.status, 429);
  assert.match(limited.text, /cinq courriels d’essai/);
  assert.deepEqual(new Set(portal.mails.map(({ to }) => to)), new Set(["alice@example.net"]));
  assert.equal(portal.mails.length, 5);
  portal.time.now += 3_600_000;
  const later = await portal.browser().signIn("alice");
  assert.equal((await later.post("/test-mail", {})).status, 200);
  const [head = "", body = ""] = (portal.mails[0]?.text ?? "").split("\r\n\r\n");
  assert.match(
    head,
    /^From: =\?utf-8\?B\?[\w+/=]+\?= <postmaster@example\.net>\r\nTo: <alice@example\.net>\r\n/,
  );
  assert.match(head, /^Auto-Submitted: auto-generated\r$/m);
  assert.ok(head.split("\r\n").every((line) => line.length <= 78));
  assert.match(
    Buffer.from(body, "base64").toString(),
    /^Voici le courriel d’essai[\s\S]*arrivé à alice@example\.net/,
  );
});

test("who has no mailbox gets no test mail", async () => {
  const portal = testPortal([person("carol", { state: "none", addresses: [] })]);
  const browser = portal.browser();
  await browser.signIn("carol");
  await browser.get("/new");
  assert.equal((await browser.post("/test-mail", {})).status, 404);
  assert.deepEqual(portal.mails, []);
});
