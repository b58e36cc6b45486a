import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { startPortal } from "../../../mailserver/portal/daemon.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { makeIdentity } from "../../support/identity.ts";
import { memoryOperator, memoryPeople, portalSettings, testDns } from "../../support/portal.ts";
import { temporaryFolder } from "../../support/queue.ts";

/** The answer to a sign-in over HTTPS. */
async function signIn(port: number, login: string, password: string): Promise<number | undefined> {
  const headers = {
    origin: `https://localhost:${port}`,
    "content-type": "application/x-www-form-urlencoded",
  };
  const to = { host: "127.0.0.1", port, path: "/sign-in", method: "POST", rejectUnauthorized: false };
  const sent = request({ ...to, headers: { ...headers, host: `localhost:${port}` }, agent: false });
  sent.end(String(new URLSearchParams({ login, password })));
  const [answer] = await once(sent, "response");
  answer.resume();
  return answer.statusCode;
}

test("a restart unlocks nobody who guessed, and locks nobody else", async () => {
  await using folder = await temporaryFolder();
  const settings = await portalSettings(folder.path, await makeIdentity("localhost"));
  const open = () =>
    startPortal(settings, {
      ...{ log: silentLog, clock: systemClock, dns: testDns, loginStepMs: 0 },
      newToken: () => "token",
      operator: memoryOperator([]).client,
      directory: { ...memoryPeople(["alice", "bob"]).accounts, close: async () => {} },
    });
  const answers = async (count: number, login: string, password: string) => {
    const portal = await open();
    const all = [];
    for (let n = 0; n < count; n += 1) all.push(await signIn(portal.port, login, password));
    await portal.close();
    return all;
  };
  assert.deepEqual(await answers(3, "alice", "wrong"), [403, 403, 403]);
  assert.deepEqual(await answers(3, "alice", "wrong"), [403, 403, 429]);
  assert.deepEqual(await answers(1, "alice", "alice-password"), [429]);
  assert.deepEqual(await answers(1, "bob", "bob-password"), [303]);
});

test("a lock lasts as long when the clock is set", async (t) => {
  await using folder = await temporaryFolder();
  const settings = await portalSettings(folder.path, await makeIdentity("localhost"));
  let [set, passed] = [0, 0];
  const portal = await startPortal(settings, {
    ...{ log: silentLog, dns: testDns, newToken: () => "token", loginStepMs: 0 },
    clock: {
      ...systemClock,
      now: () => systemClock.now() + set,
      elapsed: () => systemClock.elapsed() + passed,
    },
    operator: memoryOperator([]).client,
    directory: { ...memoryPeople(["alice"]).accounts, close: async () => {} },
  });
  t.after(() => portal.close());
  const right = () => signIn(portal.port, "alice", "alice-password");
  for (let n = 0; n < 5; n += 1) await signIn(portal.port, "alice", "wrong");
  set = 3_600_000;
  assert.equal(await right(), 429);
  set = -3_600_000;
  passed = 300_000;
  assert.equal(await right(), 303);
});

test("one client takes a part of the connections, and gets others for those that it closes", async () => {
  await using folder = await temporaryFolder();
  const settings = await portalSettings(folder.path, await makeIdentity("localhost"));
  const portal = await startPortal(settings, {
    ...{ log: silentLog, clock: systemClock, dns: testDns, newToken: () => "token" },
    operator: memoryOperator([]).client,
    directory: { ...memoryPeople(["alice"]).accounts, close: async () => {} },
  });
  const open = async () => {
    const socket = connect(portal.port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  };
  const held = await Promise.all(Array.from({ length: 100 }, open));
  const oneMore = await open();
  await once(oneMore, "close");
  const [first] = held;
  first?.end();
  await once(first ?? oneMore, "close");
  assert.equal(await signIn(portal.port, "alice", "alice-password"), 303);
  for (const socket of held) socket.destroy();
  await portal.close();
});
