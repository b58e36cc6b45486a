import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SessionLimits } from "../../../mailserver/contract.ts";
import type { Person } from "../../../mailserver/directory/directory.ts";
import type { LogEvent } from "../../../mailserver/log-events.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { createLoginGuard, type LoginGuard } from "../../../mailserver/policy/login-guard.ts";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { Conversation } from "../../support/conversation.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { directory, outboundHandler } from "../../support/handlers.ts";

const session = sessionOptions("submissions", {
  hostname: "mx.semail.test",
  limits: SessionLimits.parse({}),
});
const events: LogEvent[] = [];
const log = { ...silentLog, warn: (event: LogEvent) => void events.push(event) };

const changes: Record<
  string,
  { now: (was: Person) => Promise<Person | "absent">; want: RegExp; ends: boolean }
> = {
  "is as they were: sends on": { now: async (was) => was, want: /^250 /, ends: false },
  "has another password or address: is asked to log in again": {
    now: async (was) => ({ ...was, version: "2" }),
    want: /^421 4\.7\.0 Your account has changed/,
    ends: true,
  },
  "is no more: is asked to log in again": { now: async () => "absent", want: /^421 4\.7\.0 /, ends: true },
  "can't be looked up: tries again later": {
    now: async () => {
      throw new DirectoryUnavailable("down");
    },
    want: /^451 4\.4\.3 /,
    ends: false,
  },
};
for (const [name, { now, want, ends }] of Object.entries(changes)) {
  test(`before their next message, a person who ${name}`, async () => {
    events.length = 0;
    let current: typeof now = async (was) => was;
    const findPerson = async (uid: string) => {
      const was = await directory.findPerson(uid);
      return was === "absent" ? was : current(was);
    };
    const deps = { log, directory: { ...directory, findPerson } };
    const client = await Conversation.open({
      session,
      handler: outboundHandler("submission", [], deps),
      tls: true,
    });
    await client.say("EHLO client.test");
    assert.match(await client.auth("alice", "alice-secret"), /^235 /);
    for (const line of ["MAIL FROM:<alice@semail.test>", "RSET"])
      assert.match(await client.say(line), /^250 /);
    current = now;
    assert.match(await client.say("MAIL FROM:<alice@semail.test>"), want);
    assert.equal(client.closed, ends);
    assert.deepEqual(events, ends ? ["smtp.auth.revoked"] : []);
  });
}

test("logins without a look at the password are logged as such", async () => {
  events.length = 0;
  const handler = outboundHandler("submission", [], { log });
  const client = await Conversation.open({ session, handler, tls: true });
  await client.say("EHLO client.test");
  for (let n = 0; n < 5; n += 1) assert.match(await client.auth("alice", "wrong"), /^535 5\.7\.8 /);
  assert.deepEqual(events, []);
  assert.match(await client.auth("alice", "alice-secret"), /^454 4\.7\.0 Too many wrong passwords/);
  assert.deepEqual(events, ["smtp.auth.locked"]);
});

test("the answer to a wrong password waits no longer when the clock is set back meanwhile", async () => {
  const clock = new FakeClock(0);
  const waits = mock.method(clock, "after", (_ms: number, wake: () => void) => {
    wake();
    return () => {};
  });
  const authenticate: typeof directory.authenticate = async () => {
    clock.set(-3_600_000);
    clock.pass(20);
    return "refused";
  };
  const guard = createLoginGuard({ now: clock.elapsed, stepMs: 500 });
  const deps = { clock, guard, directory: { ...directory, authenticate } };
  const client = await Conversation.open({
    session,
    handler: outboundHandler("submission", [], deps),
    tls: true,
  });
  await client.say("EHLO client.test");
  assert.match(await client.auth("alice", "wrong"), /^535 /);
  assert.deepEqual(
    waits.mock.calls.map(({ arguments: [ms] }) => ms),
    [480],
  );
});

test("guesses of a person's password count for the person, whichever of their addresses is tried", async () => {
  const asked: (string | undefined)[] = [];
  const guard: LoginGuard = {
    begin: async (_account, _client, person) => {
      asked.push(person);
      return undefined;
    },
    failed: () => {},
  };
  const handler = outboundHandler("submission", [], { guard });
  const client = await Conversation.open({ session, handler, tls: true });
  await client.say("EHLO client.test");
  for (const name of ["alice", "alice@semail.test", "nobody"]) await client.auth(name, "wrong");
  assert.deepEqual(asked, ["alice", "alice", undefined]);
});
