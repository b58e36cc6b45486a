import assert from "node:assert/strict";
import { test } from "node:test";
import { mobileAccount } from "../../../mailserver/portal/mail-program.ts";
import { passwordFault } from "../../../mailserver/portal/password-policy.ts";
import { Sessions } from "../../../mailserver/portal/sessions.ts";
import { chooseLanguage, LANGUAGES, WORDS } from "../../../mailserver/portal/words.ts";
import { LIMITS, ORIGIN, person, testPortal } from "../../support/portal.ts";

const ALICE = { uid: "alice", entry: "1" };
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

test("a telephone reads the account from the picture, as the format's own example has it", () => {
  const servers = {
    imap: { host: "imap.domain.example", imaps: 993, starttls: 143 },
    smtp: { host: "smtp.domain.example", submissions: 465, starttls: 587 },
    sieve: 4190,
  };
  const jane = { uid: "user", name: "Jane Doe", addresses: ["user@domain.example"] };
  assert.deepEqual(JSON.parse(mobileAccount(jane, servers)), [
    1,
    [1, 1],
    [0, "imap.domain.example", 993, 3, 1, "user@domain.example"],
    [
      [
        [0, "smtp.domain.example", 465, 3, 1, "user@domain.example"],
        ["user@domain.example", "Jane Doe"],
      ],
    ],
  ]);
});

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

test("a sign-in gives another cookie than the one it came with, which it ends", async () => {
  const browser = testPortal().browser();
  browser.cookies.set("__Host-session", "chosen-by-a-stranger");
  await browser.signIn("alice");
  const first = browser.cookies.get("__Host-session");
  assert.notEqual(first, "chosen-by-a-stranger");
  browser.csrf = "";
  const answer = await browser.post("/sign-in", { login: "alice", password: "alice-password" });
  const cookie = answer.headers.getSetCookie().join();
  for (const part of [/^__Host-session=/, /HttpOnly/, /Secure/, /SameSite=Strict/, /Path=\//])
    assert.match(cookie, part);
  browser.cookies.set("__Host-session", first ?? "");
  assert.equal((await browser.get("/mailbox")).location, "/sign-in?ended=1");
});

test("a cookie that is replayed after the sign-out is worth nothing", async () => {
  const browser = await testPortal().browser().signIn("alice");
  const stolen = browser.cookies.get("__Host-session") ?? "";
  await browser.post("/sign-out", {});
  browser.cookies.set("__Host-session", stolen);
  assert.equal((await browser.get("/mailbox")).status, 303);
});

test("a changed password ends the other sessions and the cookie it was changed with", async () => {
  const portal = testPortal();
  const [mine, elsewhere] = [await portal.browser().signIn("alice"), await portal.browser().signIn("alice")];
  const before = mine.cookies.get("__Host-session") ?? "";
  const next = "correct horse battery";
  assert.equal((await mine.post("/password", { current: "alice-password", next, again: next })).status, 200);
  assert.equal((await mine.get("/mailbox")).status, 200);
  assert.equal((await elsewhere.get("/mailbox")).status, 303);
  elsewhere.cookies.set("__Host-session", before);
  assert.equal((await elsewhere.get("/mailbox")).status, 303);
});

for (const [what, change] of [
  ["was taken out of the directory", (entries: Map<string, string>) => entries.delete("alice")],
  ["left their uid to somebody else", (entries: Map<string, string>) => entries.set("alice", "another's")],
] as const)
  test(`the session of who ${what} ends within thirty seconds, for pages and for forms`, async () => {
    const portal = testPortal();
    const [reading, asking] = [
      await portal.browser().signIn("alice"),
      await portal.browser().signIn("alice"),
    ];
    const bob = await portal.browser().signIn("bob");
    change(portal.entries);
    portal.time.now += 30_000;
    assert.equal((await reading.get("/mailbox")).location, "/sign-in?ended=1");
    assert.equal((await asking.post("/restart", {})).location, "/sign-in?ended=1");
    assert.deepEqual(portal.operator.submitted, []);
    assert.equal((await bob.get("/mailbox")).status, 200);
  });

test("a session goes on for thirty seconds while the directory doesn't answer, and then when it is back", async () => {
  const portal = testPortal();
  const browser = await portal.browser().signIn("alice");
  portal.directory.down = true;
  portal.time.now += 29_999;
  assert.equal((await browser.get("/mailbox")).status, 200);
  portal.time.now += 1;
  const told = await browser.get("/mailbox");
  assert.equal(told.status, 503);
  assert.match(told.text, /directory of people/);
  portal.directory.down = false;
  assert.equal((await browser.get("/mailbox")).status, 200);
});

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

test("a part that is down is said in the person's language", async () => {
  const portal = testPortal();
  const browser = await portal.browser().signIn("alice");
  portal.operator.state.down = true;
  const answer = await browser.get("/mailbox", { "accept-language": "fr" });
  assert.equal(answer.status, 503);
  assert.match(answer.text, /ne répond pas\. Rien n’a été changé/);
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

test("mail programs and other servers fetch what they need", async () => {
  const { send } = testPortal();
  for (const path of [
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/mail/config-v1.1.xml?emailaddress=a@example.org",
  ])
    assert.match(await (await send(path)).text(), /<hostname>imap\.example\.org<\/hostname><port>993/);
  const policy = async (host: string) => {
    const response = await send("/.well-known/mta-sts.txt", {}, `https://${host}`);
    return response.status === 200 ? response.text() : response.status;
  };
  assert.equal(await policy("mta-sts.example.org"), "version: STSv1\r\n");
  assert.equal(await policy("MTA-STS.example.net"), "version: STSv1\r\nmode: none\r\n");
  assert.equal(await policy("mta-sts.example.org."), "version: STSv1\r\n");
  for (const host of ["mta-sts.evil.example", "example.org", "mta-sts.__proto__"])
    assert.equal(await policy(host), 404, host);
  const ask = (body: string) => send("/autodiscover/autodiscover.xml", { method: "POST", body });
  const right = await ask("<Request><EMailAddress>alice@example.org</EMailAddress></Request>");
  assert.match(await right.text(), /<LoginName>alice@example\.org<\/LoginName>/);
  assert.equal((await ask("<EMailAddress>alice@evil.example</EMailAddress>")).status, 404);
  assert.equal((await ask("x".repeat(20_000))).status, 413);
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

test("a session ends by idleness, by age, and changes its cookie meanwhile", () => {
  let [now, count] = [0, 0];
  const sessions = new Sessions({ now: () => now, newToken: () => `t${count++}`, limits: LIMITS });
  const { token } = sessions.begin(ALICE);
  now += LIMITS.rotateMs;
  const renewed = sessions.find(token)?.renewed ?? "";
  assert.ok(sessions.find(token), "pages under way still have the old value");
  now += 30_000;
  assert.equal(sessions.find(token), undefined);
  assert.ok(sessions.find(renewed));
  now += LIMITS.idleMs;
  assert.equal(sessions.find(renewed), undefined);
  let current = sessions.begin(ALICE).token;
  const end = now + LIMITS.absoluteMs;
  for (now += LIMITS.idleMs - 1; now < end; now += LIMITS.idleMs - 1) {
    const found = sessions.find(current);
    assert.ok(found);
    current = found.renewed ?? current;
  }
  assert.equal(sessions.find(current), undefined);
  assert.equal(sessions.size, 0);
});

test("every language says everything, with the same values", () => {
  const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const language of LANGUAGES)
    for (const [key, text] of Object.entries(WORDS.en)) {
      const said = WORDS[language][key as keyof typeof WORDS.en];
      assert.ok(said, `${language}: ${key}`);
      assert.deepEqual(holes(said), holes(text), `${language}: ${key}`);
    }
  assert.deepEqual(Object.keys(WORDS.fr), Object.keys(WORDS.en));
});

for (const [chosen, accepted, wanted] of [
  [undefined, undefined, "en"],
  [undefined, "fr-CA,en;q=0.8", "fr"],
  [undefined, "de,en;q=0.5,fr;q=0.9", "fr"],
  [undefined, "fr;q=0,en", "en"],
  ["en", "fr", "en"],
  ["xx", "fr", "fr"],
] as const) {
  test(`chosen ${chosen} and accepted ${accepted} is ${wanted}`, () =>
    assert.equal(chooseLanguage(chosen, accepted), wanted));
}

for (const [next, again, wanted] of [
  ["long enough now", "long enough now", undefined],
  ["short", "short", "short"],
  ["x".repeat(129), "x".repeat(129), "long"],
  ["aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "repeats"],
  ["alice1234567890", "alice1234567890", "personal"],
  ["the current one", "the current one", "same"],
  ["long enough now", "long enough too", "differs"],
] as const) {
  test(`a new password ${next.slice(0, 20)} is ${wanted ?? "taken"}`, () =>
    assert.equal(passwordFault({ uid: "alice", current: "the current one", next, again }), wanted));
}
