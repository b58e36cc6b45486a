import assert from "node:assert/strict";
import { test } from "node:test";
import { createLoginGuard, type LoginGuard } from "../../../mailserver/policy/login-guard.ts";

const HERE = "192.0.2.1";

async function fail(guard: LoginGuard, account: string, client = HERE): Promise<number> {
  const attempt = await guard.begin(account, client);
  assert.ok(attempt, `${account} at ${client} is locked`);
  return attempt.failed();
}

async function locked(guard: LoginGuard, account: string, client = HERE): Promise<boolean> {
  const attempt = await guard.begin(account, client);
  attempt?.abandoned();
  return attempt === undefined;
}

test("each failure is answered later, up to a limit", async () => {
  const guard = createLoginGuard({ now: () => 0, stepMs: 2_000 });
  const delays: number[] = [];
  for (let count = 0; count < 4; count++) delays.push(await fail(guard, "alice"));
  assert.deepEqual(delays, [2_000, 4_000, 5_000, 5_000]);
});

test("five failures lock the account at that address only, for five minutes", async () => {
  let now = 0;
  const guard = createLoginGuard({ now: () => now });
  for (let count = 0; count < 5; count++) {
    assert.equal(await locked(guard, "alice"), false);
    await fail(guard, count % 2 === 0 ? "Alice" : " alice ");
  }
  assert.equal(await locked(guard, "alice"), true);
  assert.equal(await locked(guard, "alice", "192.0.2.2"), false);
  assert.equal(await locked(guard, "bob"), false);
  now = 300_000;
  assert.equal(await locked(guard, "alice"), false);
});

test("an address that tries many accounts is locked for all of them", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 20; count++) await fail(guard, `user${count}`);
  assert.equal(await locked(guard, "alice"), true);
});

test("telephones with old passwords lock nobody else of their office out who logged in there before", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  (await guard.begin("alice", HERE))?.succeeded();
  for (let count = 0; count < 20; count++) await fail(guard, `user${count >> 2}`);
  assert.equal(await locked(guard, "alice"), false, "where she logged in before");
  assert.equal(await locked(guard, "bob"), true, "who never did");
  for (let count = 0; count < 5; count++) await fail(guard, "alice");
  assert.equal(await locked(guard, "alice"), true, "her own wrong ones");
});

test("an IPv6 client that changes its address is locked all the same", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 5; count++) await fail(guard, "alice", `2001:db8:1:2::${count}`);
  assert.equal(await locked(guard, "alice", "2001:db8:1:2:ffff::1"), true);
  assert.equal(await locked(guard, "alice", "2001:db8:1:3::1"), false);
});

test("a right password forgets the wrong ones", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 4; count++) await fail(guard, "alice");
  (await guard.begin("alice", HERE))?.succeeded();
  await fail(guard, "alice");
  assert.equal(await locked(guard, "alice"), false);
});

test("guesses side by side are no more than guesses one after the other", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  let looks = 0;
  const guess = async (): Promise<void> => {
    const attempt = await guard.begin("alice", HERE);
    if (attempt === undefined) return;
    looks += 1;
    await Promise.resolve();
    attempt.failed();
  };
  await Promise.all(Array.from({ length: 100 }, guess));
  assert.equal(looks, 5);
});

test("any number of right passwords side by side get their turn", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  const logIn = async (): Promise<boolean> => {
    const attempt = await guard.begin("alice", HERE);
    await Promise.resolve();
    attempt?.succeeded();
    return attempt !== undefined;
  };
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 100 }, logIn))), new Set([true]));
});

test("many machines that guess one account together are locked out of it, and its person is not", async () => {
  let now = 0;
  const guard = createLoginGuard({ now: () => now });
  (await guard.begin("alice", HERE))?.succeeded();
  for (let count = 0; count < 50; count++) await fail(guard, "alice", `198.51.100.${count}`);
  assert.equal(await locked(guard, "Alice", "203.0.113.1"), true, "a stranger");
  assert.equal(await locked(guard, "bob", "203.0.113.1"), false, "another account");
  assert.equal(await locked(guard, "alice", HERE), false, "where the person logged in before");
  now = 300_000;
  assert.equal(await locked(guard, "alice", "203.0.113.1"), false, "five minutes later");
});

test("guesses side by side from many machines are no more than one after the other", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  let looks = 0;
  const guess = async (_: unknown, number: number): Promise<void> => {
    const attempt = await guard.begin("alice", `198.51.${number >> 8}.${number & 255}`);
    if (attempt === undefined) return;
    looks += 1;
    await Promise.resolve();
    attempt.failed();
  };
  await Promise.all(Array.from({ length: 200 }, guess));
  assert.equal(looks, 50);
});

test("each of a person's names counts by itself at one client, and for the person from everywhere", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  const names = ["alice", "shop@example.org", "alice@example.org"];
  const fails = async (name: string, client: string) => {
    const attempt = await guard.begin(name, client, "alice");
    return attempt?.failed() ?? "locked";
  };
  for (let count = 1; count <= 5; count++) assert.equal(await fails("alice", HERE), count * 500);
  assert.equal(await fails("alice", HERE), "locked");
  assert.equal(await fails("shop@example.org", HERE), 500, "what a few guesses tell of whose address it is");
  (await guard.begin("shop@example.org", "192.0.2.9", "alice"))?.succeeded();
  for (let count = 6; count < 50; count++)
    assert.notEqual(await fails(names[count % 3] ?? "", `198.51.100.${count}`), "locked");
  for (const name of names) assert.equal(await fails(name, "203.0.113.1"), "locked", name);
  assert.notEqual(await fails("alice", "192.0.2.9"), "locked", "where they logged in by another name");
});

test("only a right password makes a network somebody's, however many others log in as long as they come back", async () => {
  for (const outcome of ["failed", "abandoned"] as const) {
    const guard = createLoginGuard({ now: () => 0 });
    (await guard.begin("alice", HERE))?.[outcome]();
    const elsewhere = outcome === "failed" ? 49 : 50;
    for (let count = 0; count < elsewhere; count++) await fail(guard, "alice", `198.51.100.${count}`);
    assert.equal(await locked(guard, "alice"), true, outcome);
  }
  const guard = createLoginGuard({ now: () => 0 });
  const logIn = async (account: string) => (await guard.begin(account, HERE))?.succeeded();
  await logIn("alice");
  for (let count = 1; count < 10_000; count++) await logIn(`user${count}`);
  await logIn("alice");
  await logIn("one more");
  for (let count = 0; count < 50; count++) await fail(guard, "alice", `198.51.100.${count}`);
  assert.equal(await locked(guard, "alice"), false);
});

test("a right password forgets the wrong ones of nobody else at its network", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 19; count++) await fail(guard, `user${count}`);
  (await guard.begin("mallory", HERE))?.succeeded();
  await fail(guard, "user19");
  assert.equal(await locked(guard, "bob"), true);
});

test("who logged in from a network before waits for no strangers there, and fails at its cost", async () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 5; count++) (await guard.begin(`user${count}`, HERE))?.succeeded();
  const strangers = await Promise.all(
    Array.from({ length: 20 }, (_, count) => guard.begin(`stranger${count}`, HERE)),
  );
  const mine = await guard.begin("user0", HERE, "user0", async () => assert.fail("waits"));
  for (const attempt of [mine, ...strangers]) attempt?.abandoned();
  for (let count = 0; count < 20; count++) await fail(guard, `user${count % 5}`);
  assert.equal(await locked(guard, "bob"), true);
});
