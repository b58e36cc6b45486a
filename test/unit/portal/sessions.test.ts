import assert from "node:assert/strict";
import { test } from "node:test";
import { Sessions } from "../../../mailserver/portal/sessions.ts";
import { WORDS } from "../../../mailserver/portal/words.ts";
import { LIMITS, testPortal } from "../../support/portal.ts";

const ALICE = { uid: "alice", entry: "1" };

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

const LONGER = "correct horse battery";
for (const [path, fields, key] of [
  ["/password", { current: "alice-password", next: LONGER, again: LONGER }, "password.changed"],
  ["/sessions/end-others", {}, "sessions.ended"],
] as const)
  test(`that ${path} did its work is told also while the operator can say nothing`, async () => {
    const portal = testPortal();
    const browser = await portal.browser().signIn("alice");
    portal.operator.state.down = true;
    const answer = await browser.post(path, fields);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.text.includes(WORDS.en[key]), answer.text);
    portal.operator.state.down = false;
    assert.equal((await browser.get("/mailbox")).status, 200);
  });

test("that a password may have been changed is told when the directory broke off", async () => {
  const portal = testPortal();
  const browser = await portal.browser().signIn("alice");
  portal.directory.breaksOff = true;
  const answer = await browser.post("/password", {
    current: "alice-password",
    next: LONGER,
    again: LONGER,
  });
  assert.equal(answer.status, 503);
  assert.ok(answer.text.includes(WORDS.en["password.unsure"]), answer.text);
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

test("a session ends by idleness, by age, and changes its cookie meanwhile", () => {
  let [now, count] = [0, 0];
  const sessions = new Sessions({ now: () => now, newToken: () => `t${count++}`, limits: LIMITS });
  const { token } = sessions.begin(ALICE);
  now += LIMITS.rotateMs;
  const renewed = sessions.find(token)?.renewed ?? "";
  assert.ok(sessions.find(renewed));
  assert.equal(sessions.find(token)?.renewed, undefined, "pages under way still have the old value");
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

test("a cookie whose next value never came back gets another one, once the old one's time is over", () => {
  let [now, count] = [0, 0];
  const sessions = new Sessions({ now: () => now, newToken: () => `t${count++}`, limits: LIMITS });
  const { token } = sessions.begin(ALICE);
  now += LIMITS.rotateMs;
  const lost = sessions.find(token)?.renewed ?? "";
  now += 29_999;
  assert.equal(sessions.find(token)?.renewed, undefined, "it may be on its way");
  now += 1;
  const next = sessions.find(token)?.renewed ?? "";
  assert.ok(sessions.find(token), "pages under way still have the old value");
  assert.ok(sessions.find(next));
  assert.equal(sessions.find(lost), undefined);
  now += 30_000;
  assert.equal(sessions.find(token), undefined, "the next value has come");
  assert.ok(sessions.find(next));
  sessions.end(sessions.find(next)?.session ?? assert.fail());
  for (const value of [token, lost, next]) assert.equal(sessions.find(value), undefined);
});

for (const last of ["first", "second"] as const)
  test(`of two cookies that were given out the ${last} is good when that comes back, and the other no more`, () => {
    let [now, count] = [0, 0];
    const sessions = new Sessions({ now: () => now, newToken: () => `t${count++}`, limits: LIMITS });
    const { token } = sessions.begin(ALICE);
    now += LIMITS.rotateMs;
    // A page that takes longer than the old value is good for, and another one meanwhile.
    const first = sessions.find(token)?.renewed ?? "";
    now += 30_000;
    const second = sessions.find(token)?.renewed ?? "";
    const [good, bad] = last === "first" ? [first, second] : [second, first];
    assert.deepEqual([sessions.find(good)?.renewed, sessions.find(bad)], [undefined, undefined]);
    now += 30_000;
    assert.ok(sessions.find(good));
    assert.equal(sessions.find(token), undefined);
    now += LIMITS.rotateMs;
    const next = sessions.find(good)?.renewed ?? assert.fail("it changes as any other does");
    assert.ok(sessions.find(next));
    sessions.end(sessions.find(next)?.session ?? assert.fail());
    for (const value of [token, first, second, next]) assert.equal(sessions.find(value), undefined);
  });

test("of cookies that were given out one after the other no more than two are good", () => {
  let [now, count] = [0, 0];
  const sessions = new Sessions({ now: () => now, newToken: () => `t${count++}`, limits: LIMITS });
  const { token } = sessions.begin(ALICE);
  now += LIMITS.rotateMs;
  const given = [0, 1, 2].map(() => {
    const { renewed = "" } = sessions.find(token) ?? assert.fail();
    now += 30_000;
    return renewed;
  });
  assert.equal(new Set(given).size, 3);
  assert.equal(sessions.find(given[0] ?? ""), undefined);
  assert.ok(sessions.find(given[1] ?? ""));
  assert.equal(sessions.find(given[2] ?? ""), undefined);
  assert.equal(sessions.size, 1);
});

for (const [what, lose] of [
  [
    "the directory doesn't answer",
    (portal: ReturnType<typeof testPortal>) => {
      portal.directory.down = true;
    },
  ],
  [
    "the operator doesn't answer",
    (portal: ReturnType<typeof testPortal>) => {
      portal.operator.state.down = true;
    },
  ],
  ["nothing is wrong, but the answer is lost", () => undefined],
] as const)
  test(`a session outlives a page at which its cookie changes while ${what}`, async () => {
    const portal = testPortal();
    const browser = await portal.browser().signIn("alice");
    portal.time.now += LIMITS.rotateMs;
    lose(portal);
    const cookies = new Map(browser.cookies);
    await browser.get("/mailbox");
    for (const [name, value] of cookies) browser.cookies.set(name, value);
    portal.directory.down = false;
    portal.operator.state.down = false;
    portal.time.now += 60_000;
    assert.equal((await browser.get("/mailbox")).status, 200);
    assert.notDeepEqual(browser.cookies, cookies);
    portal.time.now += 60_000;
    assert.equal((await browser.get("/mailbox")).status, 200);
  });
