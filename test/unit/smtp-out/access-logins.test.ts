import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import type { LogEvent } from "../../../mailserver/log-events.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { createLoginGuard } from "../../../mailserver/policy/login-guard.ts";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";
import { type AccessLoginsDeps, createAccessLogins } from "../../../mailserver/smtp-out/access-logins.ts";
import { serveAccess } from "../../../mailserver/smtp-out/serve-access.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { directory } from "../../support/handlers.ts";

const RIGHT = { success: true, policy_reject: false, fail_type: "" };
const WRONG = { success: false, policy_reject: false, fail_type: "account" };
const UNCHECKED = { ...WRONG, fail_type: "internal" };
const BY_US = { ...WRONG, policy_reject: true, fail_type: "policy" };

function setup(more: Partial<AccessLoginsDeps> = {}) {
  const events: LogEvent[] = [];
  const clock = new FakeClock(0);
  const guard = createLoginGuard({ now: clock.now });
  /** What the log says beside them. */
  const told: unknown[] = [];
  const note = (event: LogEvent, facts: unknown): void => {
    events.push(event);
    told.push(facts);
  };
  const log = { ...silentLog, warn: note, error: note };
  const deps = { guard, directory, clock, log, ...more };
  const logins = createAccessLogins(deps);
  let sessions = 0;
  const question = (login: string, remote: string) => {
    sessions += 1;
    return { login, remote, session_id: `s${sessions}`, protocol: "imap" };
  };
  /** Whether a password was looked at; what came of it is `outcome`. */
  const login = async (outcome: typeof RIGHT, name = "alice", client = "192.0.2.1") => {
    const asked = question(name, client);
    const { status } = await logins.allow(asked);
    // As Dovecot, which tells of every login, and by the name that it found.
    await logins.report({ ...asked, login: "alice", ...(status === 0 ? outcome : BY_US) });
    return status === 0;
  };
  return { logins, guard, clock, events, told, question, login, deps };
}

const times = async (count: number, work: () => Promise<unknown>): Promise<void> => {
  for (let n = 0; n < count; n += 1) await work();
};

/** All that needs neither time nor another's word has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const cases: Record<string, { before: (s: ReturnType<typeof setup>) => Promise<void>; looked: boolean }> = {
  "after four wrong ones": { before: ({ login }) => times(4, () => login(WRONG)), looked: true },
  "not after five wrong ones": { before: ({ login }) => times(5, () => login(WRONG)), looked: false },
  "after five that could not be checked": {
    before: ({ login }) => times(5, () => login(UNCHECKED)),
    looked: true,
  },
  "after a right one among the wrong ones": {
    before: async ({ login }) => {
      await times(4, () => login(WRONG));
      await login(RIGHT);
      await times(4, () => login(WRONG));
    },
    looked: true,
  },
  "not after five at smtp-out": {
    before: ({ guard }) => times(5, async () => (await guard.begin("alice", "192.0.2.1", "alice"))?.failed()),
    looked: false,
  },
  "not after fifty of the person's from elsewhere, by whichever address": {
    before: async ({ login }) => {
      for (let n = 0; n < 50; n += 1)
        await login(WRONG, n % 2 ? "sales@semail.test" : "alice", `198.51.100.${n}`);
    },
    looked: false,
  },
  "after those, where the person logged in before": {
    before: async ({ login }) => {
      await login(RIGHT);
      for (let n = 0; n < 50; n += 1) await login(WRONG, "alice", `198.51.100.${n}`);
    },
    looked: true,
  },
  "after those, where the person logged in before without our answer": {
    before: async ({ login, logins, question }) => {
      await logins.report({ ...question("alice", "192.0.2.1"), ...RIGHT });
      for (let n = 0; n < 50; n += 1) await login(WRONG, "alice", `198.51.100.${n}`);
    },
    looked: true,
  },
  "not after five that were looked at without asking": {
    before: ({ logins, question }) =>
      times(5, () => logins.report({ ...question("alice", "192.0.2.1"), ...WRONG })),
    looked: false,
  },
  "not after fifty that were looked at without asking, from elsewhere, by whichever address": {
    before: async ({ logins, question }) => {
      for (let n = 0; n < 50; n += 1) {
        const name = n % 2 ? "sales@semail.test" : "alice";
        await logins.report({ ...question(name, `198.51.100.${n}`), ...WRONG });
      }
    },
    looked: false,
  },
  "after five that were looked at without asking, and could not be checked": {
    before: ({ logins, question }) =>
      times(5, () => logins.report({ ...question("alice", "192.0.2.1"), ...UNCHECKED })),
    looked: true,
  },
  "after four wrong ones on one connection": {
    before: async ({ logins, question }) => {
      const asked = question("alice", "192.0.2.1");
      await times(4, async () => {
        await logins.allow(asked);
        await logins.report({ ...asked, ...WRONG });
      });
    },
    looked: true,
  },
  "after a right one that was looked at without asking, while others of the name are under way": {
    before: async ({ logins, question }) => {
      const under = Array.from({ length: 5 }, () => question("alice", "192.0.2.1"));
      for (const one of under) await logins.allow(one);
      await logins.report({ ...question("alice", "192.0.2.1"), ...RIGHT });
      for (const one of under) await logins.report({ ...one, ...UNCHECKED });
    },
    looked: true,
  },
  "not after five whose reports were lost, on one connection": {
    before: async ({ logins, question }) => {
      const asked = question("alice", "192.0.2.1");
      await times(6, () => logins.allow(asked));
    },
    looked: false,
  },
  "after five whose answers came too late, and that were right": {
    before: ({ logins, question }) =>
      times(5, async () => {
        const asked = question("alice", "192.0.2.1");
        await logins.report({ ...asked, ...RIGHT });
        await logins.allow(asked);
        logins.forget(asked.session_id);
      }),
    looked: true,
  },
  "after five that were right, and reported before their answers": {
    before: async ({ logins, question, clock }) => {
      const asked = Array.from({ length: 5 }, () => question("alice", "192.0.2.1"));
      const answers = asked.map((one) => logins.allow(one));
      // None of them is answered before the last is reported.
      await Promise.all(asked.map((one) => logins.report({ ...one, ...RIGHT })));
      await Promise.all(answers);
      assert.equal(clock.armed, false);
    },
    looked: true,
  },
  "not after five that were wrong, and reported while others of the name are under way": {
    before: async ({ logins, question }) => {
      const under = Array.from({ length: 5 }, () => question("alice", "192.0.2.1"));
      for (const one of under) await logins.allow(one);
      await times(5, () => logins.report({ ...question("alice", "192.0.2.1"), ...WRONG }));
      for (const one of under) await logins.report({ ...one, ...UNCHECKED });
    },
    looked: false,
  },
  "after five of which nobody ever heard again": {
    before: async ({ logins, question, clock }) => {
      await times(5, () => logins.allow(question("alice", "192.0.2.1")));
      await times(5, () => clock.jump());
    },
    looked: true,
  },
};
for (const [name, { before, looked }] of Object.entries(cases)) {
  test(`a password at access is looked at ${name}`, async () => {
    const site = setup();
    await before(site);
    assert.equal(await site.login(RIGHT), looked);
  });
}

test("wrong passwords at access, and those that are not looked at, are logged as such", async () => {
  const { login, events, told } = setup();
  await login(UNCHECKED);
  assert.deepEqual(events, []);
  await login(WRONG);
  assert.deepEqual(events.splice(0), ["access.auth.failed"]);
  await times(4, () => login(WRONG));
  events.length = 0;
  await login(RIGHT);
  assert.deepEqual(events, ["access.auth.locked"]);
  // By whom, but not by which name: that may be a password which was typed in its place.
  for (const facts of told) assert.deepEqual(facts, { client: "192.0.2.1", protocol: "imap" });
});

test("who guesses side by side waits for two seconds at most, and no guess is looked at meanwhile", async () => {
  const { logins, question, clock, events } = setup();
  const begun = await Promise.all(
    Array.from({ length: 5 }, () => logins.allow(question("alice", "192.0.2.1"))),
  );
  assert.deepEqual(new Set(begun.map(({ status }) => status)), new Set([0]));
  const next = logins.allow(question("alice", "192.0.2.1"));
  await settled();
  assert.equal(await clock.jump(), 2_000);
  assert.deepEqual(await next, { status: -1, msg: "Too many logins at once: try again in a moment" });
  assert.deepEqual(events, ["access.auth.busy"]);
});

test("hundreds that guess side by side leave Dovecot connections by which to report", async () => {
  const { logins, question, clock } = setup();
  const networks = 5;
  let answered = 0;
  const burst = Array.from({ length: 300 }, (_, n) => question("alice", `192.0.2.${n % networks}`));
  const answers = burst.map(async (one) => {
    const { status } = await logins.allow(one);
    answered += 1;
    return status;
  });
  await settled();
  assert.ok(burst.length - answered <= 60, `${burst.length - answered} wait`);
  while (answered < burst.length) {
    await clock.jump();
    await settled();
  }
  const looked = (await Promise.all(answers)).filter((status) => status === 0);
  assert.equal(looked.length, 5 * networks);
  // Who waited is no longer counted.
  const next = logins.allow(question("alice", "192.0.2.0"));
  await settled();
  assert.equal(clock.armed, true);
  await logins.report({ ...(burst[0] as (typeof burst)[0]), ...RIGHT });
  assert.deepEqual(await next, { status: 0 });
});

for (const [kind, client] of [
  ["address", () => "192.0.2.1"],
  ["network of IPv6", (n: number) => `2001:db8:1:2::${n.toString(16)}`],
] as const) {
  test(`hundreds at one ${kind} leave others room to wait`, async () => {
    const { logins, question } = setup();
    for (let n = 0; n < 300; n += 1) void logins.allow(question("alice", client(n)));
    const mine = Array.from({ length: 6 }, () => question("alice", "198.51.100.1"));
    const answers = mine.map((one) => logins.allow(one));
    const [first] = mine;
    await settled();
    assert.ok(first);
    await logins.report({ ...first, ...RIGHT });
    assert.deepEqual(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([0]));
  });
}

test("the second that a directory costs is one of the two for which a login waits", async () => {
  const { logins, question, clock } = setup({ directory: { whoIs: () => new Promise(() => {}) } });
  const answers = Array.from({ length: 6 }, () => logins.allow(question("alice", "192.0.2.1")));
  for (const _ of answers) assert.equal(await clock.jump(), 1_000);
  await settled();
  assert.equal(await clock.jump(), 2_000);
  assert.equal((await answers.at(-1))?.status, -1);
});

test("a directory that says nothing costs a login one second, and the password counts by the name that was typed", async () => {
  const { logins, question, clock } = setup({ directory: { whoIs: () => new Promise(() => {}) } });
  for (let n = 0; n < 5; n += 1) {
    const asked = question("alice", "192.0.2.1");
    const answer = logins.allow(asked);
    assert.equal(await clock.jump(), (n + 1) * 1_000);
    assert.deepEqual(await answer, { status: 0 });
    await logins.report({ ...asked, ...WRONG });
  }
  const answer = logins.allow(question("alice", "192.0.2.1"));
  await clock.jump();
  assert.equal((await answer).status, -1);
});

test("while the directory can't be asked, passwords count by the name that was typed", async () => {
  const whoIs = async (): Promise<never> => {
    throw new DirectoryUnavailable("down");
  };
  const { login } = setup({ directory: { whoIs } });
  await times(5, () => login(WRONG));
  assert.equal(await login(RIGHT), false);
});

const SECRET = "access-secret-0123456789";
const asked = { login: "alice", remote: "192.0.2.1", session_id: "x", protocol: "imap" };
const questions: Record<string, { path?: string; secret?: string; body: unknown; want: number }> = {
  "as Dovecot asks": { body: { ...asked, tls: true, pwhash: "" }, want: 200 },
  "by a client of IPv6": { body: { ...asked, remote: "2001:db8::1" }, want: 200 },
  "with a name without end": { body: { ...asked, login: "x".repeat(9_000) }, want: 200 },
  "with a report": { path: "/?command=report", body: { ...asked, ...WRONG }, want: 200 },
  "without the secret": { secret: "", body: asked, want: 401 },
  "with another secret": { secret: `${SECRET}0`, body: asked, want: 401 },
  "of something else": { path: "/metrics", body: asked, want: 404 },
  "without a client": { body: { ...asked, remote: "" }, want: 400 },
  "without a connection": { body: { ...asked, session_id: "" }, want: 400 },
  "with a report of nothing": { path: "/?command=report", body: asked, want: 400 },
  "with more than any login has": { body: { ...asked, login: "x".repeat(70_000) }, want: 400 },
};
for (const [name, { path = "/?command=allow", secret = SECRET, body, want }] of Object.entries(questions)) {
  test(`a question ${name} is answered ${want}`, async (t) => {
    const { deps, events } = setup();
    const server = await serveAccess({ port: 0, address: "127.0.0.1", secret: SECRET }, deps);
    t.after(() => server.close());
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${secret}` }, body: JSON.stringify(body) },
    });
    assert.equal(response.status, want);
    // What access would not do, somebody ought to see.
    if (want === 400 || want === 401) assert.deepEqual(events, ["access.question.refused"]);
    if (want === 200 && !path.endsWith("report")) assert.deepEqual(await response.json(), { status: 0 });
  });
}

test("whose connection ended before the answer leaves no login under way", async (t) => {
  const found = Promise.withResolvers<undefined>();
  const { deps, clock } = setup({ directory: { whoIs: () => found.promise } });
  const server = await serveAccess({ port: 0, address: "127.0.0.1", secret: SECRET }, deps);
  t.after(() => server.close());
  const begun = Promise.withResolvers<ServerResponse>();
  const note = (message: unknown): void => begun.resolve((message as { response: ServerResponse }).response);
  subscribe("http.server.request.start", note);
  t.after(() => unsubscribe("http.server.request.start", note));
  const given = new AbortController();
  const headers = { authorization: `Bearer ${SECRET}` };
  const sent = fetch(`http://127.0.0.1:${server.port}/?command=allow`, {
    ...{ method: "POST", headers, body: JSON.stringify(asked), signal: given.signal },
  });
  const response = await begun.promise;
  // The directory is asked, which has a second.
  while (!clock.armed) await clock.nextTimer();
  given.abort();
  await assert.rejects(sent);
  if (!response.destroyed) await once(response, "close");
  found.resolve(undefined);
  await settled();
  assert.equal(clock.armed, false);
});

test("questions are taken at the one address alone", async (t) => {
  const server = await serveAccess({ port: 0, address: "127.0.0.2", secret: SECRET }, setup().deps);
  t.after(() => server.close());
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/`));
  assert.equal((await fetch(`http://127.0.0.2:${server.port}/`)).status, 401);
});

test("who opens connections without end is taken no more than two hundred", async (t) => {
  const server = await serveAccess({ port: 0, address: "127.0.0.1", secret: SECRET }, setup().deps);
  t.after(() => server.close());
  const open = async () => {
    const socket = connect(server.port, "127.0.0.1").on("error", () => {});
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  for (let n = 0; n < 200; n += 1) await open();
  const one = await open();
  let answer = "";
  one.on("data", (bytes) => {
    answer += bytes;
  });
  one.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(one, "close");
  assert.equal(answer, "");
});
