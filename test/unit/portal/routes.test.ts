import assert from "node:assert/strict";
import { test } from "node:test";
import { sayIn } from "../../../mailserver/portal/words.ts";
import { ORIGIN, person, testPortal } from "../../support/portal.ts";

const OWN_REQUEST = "0".repeat(31);

/** What each role is answered: nobody, the person whose it is, another person. Who was taken out is nobody. */
const ROUTES: [
  method: "GET" | "POST",
  path: string,
  fields: Record<string, string>,
  nobody: number,
  owner: number,
  other: number,
][] = [
  ["GET", "/", {}, 303, 303, 303],
  ["GET", "/sign-in", {}, 200, 200, 200],
  ["GET", "/mailbox", {}, 303, 200, 200],
  ["GET", "/new", {}, 303, 303, 303],
  ["GET", "/address?local=x&domain=example.org", {}, 303, 200, 200],
  ["GET", "/delete", {}, 303, 200, 200],
  ["GET", "/log", {}, 303, 200, 200],
  ["GET", "/phone.svg", {}, 303, 200, 200],
  ["GET", `/progress/${OWN_REQUEST}1`, {}, 303, 200, 404],
  ["GET", `/progress/${OWN_REQUEST}1/events`, {}, 303, 200, 404],
  ["GET", "/progress/..%2Fpeople%2Fbob", {}, 303, 404, 404],
  ["POST", "/new", { local: "free", domain: "example.org" }, 303, 303, 303],
  ["POST", "/forward", { forward: "me@example.com" }, 303, 303, 303],
  ["POST", "/aliases/add", { local: "news", domain: "example.org" }, 303, 303, 303],
  ["POST", "/aliases/remove", { address: "shop@example.org" }, 303, 303, 404],
  ["POST", "/restart", {}, 303, 303, 303],
  ["POST", "/test-mail", {}, 303, 200, 200],
  ["POST", "/delete", { address: "alice@example.org", password: "alice-password" }, 303, 303, 400],
  ["POST", "/delete/cancel", {}, 303, 303, 303],
  ["POST", "/sessions/end-others", {}, 303, 200, 200],
  [
    "POST",
    "/password",
    { current: "alice-password", next: "a much longer one", again: "a much longer one" },
    303,
    200,
    400,
  ],
  ["GET", "/no-such-page", {}, 303, 404, 404],
];

/** What needs no session, or makes one: no row of the table. */
const PUBLIC = [
  /^GET \/(style|script)-/,
  /^GET \/(\.well-known\/|mail\/)/,
  /^POST \/[Aa]utodiscover\//,
  /^POST \/(sign-in|language)$/,
];

test("every route that there is stands in the table", () => {
  const paths = new Set(
    ROUTES.map(([method, path]) => `${method} ${path.split("?")[0]?.replace(/[0-9a-f]{32}/, ":id")}`),
  );
  const missing = testPortal()
    .routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`)
    .filter(
      (route) => !paths.has(route) && route !== "POST /sign-out" && !PUBLIC.some((open) => open.test(route)),
    );
  assert.deepEqual(missing, []);
});

for (const [method, path, fields, nobody, owner, other] of ROUTES) {
  test(`${method} ${path} by nobody, its owner and another person`, async () => {
    for (const [uid, wanted] of [
      [undefined, nobody],
      ["alice", owner],
      ["bob", other],
    ] as const) {
      const portal = testPortal([person("alice", { aliases: ["shop@example.org"] }), person("bob")]);
      await portal.operator.client.submit({ kind: "restart", uid: "alice" });
      const browser = portal.browser();
      if (uid) await browser.signIn(uid);
      const answer = await (method === "GET" ? browser.get(path) : browser.post(path, fields));
      assert.equal(answer.status, wanted, `${uid}: ${answer.text}`);
      if (!uid && nobody === 303 && path !== "/") assert.equal(answer.location, "/sign-in");
      // Whatever was asked for was asked for the one who is signed in.
      for (const asked of portal.operator.submitted.slice(1)) assert.equal(asked.uid, uid);
    }
  });
}

test("who was taken out of the directory is answered as nobody is, on every route", async () => {
  for (const [method, path, fields, nobody] of ROUTES) {
    const portal = testPortal([person("alice", { aliases: ["shop@example.org"] })]);
    const browser = await portal.browser().signIn("alice");
    portal.entries.delete("alice");
    portal.time.now += 30_000;
    const answer = await (method === "GET" ? browser.get(path) : browser.post(path, fields));
    assert.equal(answer.status, nobody, path);
    if (nobody === 303 && path !== "/") assert.equal(answer.location, "/sign-in?ended=1", path);
    assert.deepEqual(portal.operator.submitted, []);
  }
});

const FORMS = ROUTES.filter(([method]) => method === "POST");
for (const [, path, fields] of [...FORMS, ["POST", "/sign-out", {}]] as [
  string,
  string,
  Record<string, string>,
][]) {
  test(`${path} is refused without the session's token, and from elsewhere`, async () => {
    const portal = testPortal();
    const browser = await portal.browser().signIn("alice");
    const { csrf } = browser;
    assert.equal((await browser.post(path, { ...fields, csrf: "token-0" })).status, 403);
    browser.csrf = csrf;
    for (const origin of ["https://evil.example", "null", "", `${ORIGIN}:8443`])
      assert.equal((await browser.post(path, { ...fields }, { origin })).status, 403, origin);
    assert.deepEqual(portal.operator.submitted, []);
    assert.equal((await browser.get("/mailbox")).status, 200);
  });
}

test("whether a name is free is said for who is signed in, as typed and as sent", async () => {
  const newcomer = (uid: string) => person(uid, { state: "none", addresses: [] });
  const portal = testPortal([newcomer("carol"), newcomer("dora")]);
  const carol = await portal.browser().signIn("carol");
  for (const [local, free] of [
    ["carol", true],
    ["dora", false],
  ] as const) {
    const checked = await carol.get(`/address?local=${local}&domain=example.org`);
    assert.equal(JSON.parse(checked.text).free, free, local);
    await carol.get("/new");
    const sent = await carol.post("/new", { local, domain: "example.org" });
    assert.equal(sent.status, free ? 303 : 400, local);
  }
});

test("who is in the directory and not in the administrator's file is told whom to ask, on every page", async () => {
  const portal = testPortal([person("alice")]);
  const alice = await portal.browser().signIn("alice");
  portal.operator.byUid.clear();
  for (const path of ["/mailbox", "/new", "/delete"]) {
    const { status, text } = await alice.get(path);
    assert.equal(status, 404, path);
    assert.ok(text.includes(sayIn("en")("fault.unknown-person")), text);
  }
});
