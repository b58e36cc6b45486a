import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { FaultCode, PersonRequest } from "../../../mailserver/operator/protocol.ts";
import { readConfig } from "../../../operator/stack-file.ts";
import { entryDigest } from "../../../stacks/basis.ts";
import { changedSince, create, FILE, isRefusal, noAnswer, outcome, setUp } from "./support.ts";

describe("the operator", () => {
  it("writes the diff, commits it as the person, updates, and says how far it is", async (t) => {
    const { operator, state, played } = await setUp(t);
    const id = operator.submit(create);
    const seen: string[] = [];
    for await (const view of operator.watch(id, new AbortController().signal))
      seen.push(`${view.state} ${view.steps.map((step) => `${step.name}=${step.state}`).join(" ")}`);
    assert.equal(seen.at(-1), "done config=done entry=done volume=done container=done ready=done");
    assert.ok(
      seen.some((line) => line.startsWith("running config=done entry=waiting volume=running")),
      seen.join("\n"),
    );
    assert.equal(state.text, FILE.replace("Bob Durand\n      state: none", "Bob Durand"));
    assert.deepEqual(played.updates, [state.text]);
    assert.deepEqual(played.commits, [
      { subject: "bob makes a mailbox", author: "bob@example.org", branch: undefined },
    ]);
  });

  it("makes the mailbox of somebody whose lines nobody committed yet, and says what to commit", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.head = FILE.replace("    bob:\n      name: Bob Durand\n      state: none\n", "");
    assert.notEqual(played.head, FILE);
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
    assert.doesNotMatch(state.text, /state: none\n {4}carol/);
    const [{ event, error } = { event: "", error: "" }] = played.errors;
    assert.equal(event, "operator.commit.failed");
    assert.match(error, /the lines of bob as they were before: commit the file/);
  });

  it("shows a mailbox only when it is there, and what is asked of one meanwhile", async (t) => {
    const { operator, state, played } = await setUp(t);
    const seen: unknown[] = [];
    const look = () => {
      const { state: shown, addresses, pending } = operator.person("bob");
      seen.push([/state: none\n {4}carol/.test(state.text), shown, addresses, pending !== null]);
    };
    look();
    played.during = look;
    await outcome(operator, operator.submit(create));
    look();
    await outcome(operator, operator.submit({ kind: "update", uid: "bob", aliases: ["b@example.org"] }));
    assert.deepEqual(seen, [
      [true, "none", [], false],
      [false, "none", [], true],
      [false, "active", ["bob@example.org"], false],
      [false, "active", ["bob@example.org"], true],
    ]);
  });

  it("leaves no trace of an update that was refused before its first change", async (t) => {
    const { operator, state, played, folder } = await setUp(t);
    played.before = () => {
      assert.notEqual(state.text, FILE);
      throw changedSince;
    };
    const id = operator.submit(create);
    const view = await outcome(operator, id);
    assert.deepEqual([view.state, view.error], ["failed", changedSince.fault]);
    assert.equal(view.steps.find(({ name }) => name === "config")?.state, "failed");
    assert.deepEqual([state.text, played.updates.length, played.commits], [FILE, 1, []]);
    const kept = JSON.parse(await readFile(join(folder, "journal", `${id}.json`), "utf8"));
    assert.deepEqual([kept.phase, kept.touched], ["over", false]);
    played.before = () => undefined;
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });

  it("takes back one that failed otherwise, whatever was heard of it", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.before = (number) => {
      if (number === 1) throw noAnswer;
    };
    assert.equal((await outcome(operator, operator.submit(create))).state, "failed");
    assert.deepEqual([state.text, played.updates.at(-1)], [FILE, FILE]);
  });

  it("goes on taking back while an administrator's changes wait for their update, and works again then", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.during = (number) => {
      if (number === 1) throw noAnswer;
    };
    played.before = (number) => {
      if (number === 2) throw noAnswer;
      // As long as nobody ran the update for it.
      if (number > 2 && number < 5) throw changedSince;
    };
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, state.text, played.updates.length], ["failed", FILE, 5]);
    assert.deepEqual(played.waits, [10_000, 20_000, 40_000]);
    played.during = () => undefined;
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });

  it("takes back what an update may have changed whose process died", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.before = (number) => {
      if (number === 1) throw new Error("the updates' process ended: SIGKILL");
    };
    assert.equal((await outcome(operator, operator.submit(create))).state, "failed");
    assert.deepEqual([state.text, played.updates.at(-1)], [FILE, FILE]);
    const [forward, back] = played.people;
    // His entry may be as it was before the change, or as it is with it, and nothing else.
    const digests = [FILE, played.updates[0] ?? ""].map((text) => {
      const user = readConfig({ name: "f", project: "semail", text }).users.bob;
      assert.ok(user);
      return entryDigest(user);
    });
    assert.deepEqual([forward?.uid, back?.uid], ["bob", "bob"]);
    assert.deepEqual([...(forward?.entries ?? [])].sort(), [...digests].sort());
    assert.deepEqual([...(back?.entries ?? [])].sort(), [...digests].sort());
  });

  it("takes everything back when the update fails", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.during = (number) => {
      if (number === 1) throw noAnswer;
    };
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, view.error], ["failed", noAnswer.fault]);
    assert.deepEqual(
      view.steps.map(({ state: one }) => one),
      ["done", "waiting", "failed", "waiting", "waiting"],
    );
    assert.equal(state.text, FILE);
    assert.equal(played.updates.at(-1), FILE);
    assert.deepEqual(played.unprotected, ["person-bob-mail"]);
    assert.deepEqual(
      played.commits.map(({ subject }) => subject),
      ["bob makes a mailbox", "Undo: bob makes a mailbox"],
    );
  });

  it("tries to take it back until the engine is there again, and takes no new request before", async (t) => {
    const { operator, state, played } = await setUp(t);
    let during: unknown;
    played.during = (number) => {
      if (number === 3) {
        assert.throws(
          () => operator.submit({ kind: "create", uid: "carol", address: "c@example.org" }),
          isRefusal("undo-pending"),
        );
        during = operator.request("1".padStart(32, "0")).state;
      }
      if (number < 4) throw noAnswer;
    };
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, during, state.text, played.waits.length], ["failed", "running", FILE, 2]);
    played.during = () => undefined;
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });

  it("says that it failed only when everything is as it was before", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.during = (number) => {
      if (number < 4) throw noAnswer;
    };
    const id = operator.submit(create);
    const seen: unknown[] = [];
    for await (const view of operator.watch(id, new AbortController().signal))
      if (view.error || view.state === "failed")
        seen.push([view.state, view.error?.code, state.text === FILE]);
    assert.ok(seen.length > 3);
    assert.deepEqual(seen.at(-1), ["failed", "update-failed", true]);
    assert.ok(
      seen.slice(0, -1).every((one) => String(one).startsWith("running,update-failed")),
      String(seen),
    );
  });

  it("gives an address to the first who asks, and one request at a time to each", async (t) => {
    const { operator } = await setUp(t);
    const first = operator.submit({ ...create, address: "info2@example.org" });
    const same = { kind: "create", uid: "carol", address: "info2@example.org" } as const;
    assert.deepEqual(operator.address("carol", "info2@example.org"), { free: false, reason: "taken" });
    assert.throws(() => operator.submit(same), isRefusal("address-taken"));
    assert.throws(() => operator.submit(create), isRefusal("busy-with-own-request"));
    assert.equal(operator.person("bob").pending, first);
    await operator.idle();
    assert.throws(() => operator.submit(same), isRefusal("address-taken"));
    assert.equal(operator.person("bob").pending, null);
  });

  it("takes twenty requests of a person an hour, also over a restart, and keeps nobody else from theirs", async (t) => {
    const { operator, start, ending, played } = await setUp(t);
    const restart = { kind: "restart", uid: "alice" } as const;
    const ask = async (of: typeof operator) => (await outcome(of, of.submit(restart))).state;
    for (let n = 0; n < 20; n += 1) {
      assert.equal(await ask(operator), "done");
      played.now += 1_000;
    }
    assert.throws(() => operator.submit(restart), isRefusal("request-limit"));
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
    ending.abort();
    const next = start().operator;
    next.recover();
    await next.idle();
    played.now += 3_600_000 - 20_001;
    assert.throws(() => next.submit(restart), isRefusal("request-limit"));
    played.now += 1;
    assert.equal(await ask(next), "done");
    assert.throws(() => next.submit(restart), isRefusal("request-limit"));
  });

  it("takes requests of who had enough of them before the clock was set back", async (t) => {
    const { operator, played } = await setUp(t);
    const restart = { kind: "restart", uid: "alice" } as const;
    const ask = async () => (await outcome(operator, operator.submit(restart))).state;
    for (let n = 0; n < 20; n += 1) assert.equal(await ask(), "done");
    assert.throws(() => operator.submit(restart), isRefusal("request-limit"));
    played.now -= 86_400_000;
    assert.equal(await ask(), "done");
  });

  it("counts no request that it didn't take", async (t) => {
    const { operator } = await setUp(t);
    const wrong = { ...create, address: "postmaster@example.org" };
    for (let n = 0; n < 30; n += 1) assert.throws(() => operator.submit(wrong), isRefusal("address-taken"));
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });

  it("lets nobody be kept from giving their mailbox up by who forwards mail there", async (t) => {
    const text = `${FILE}    dora: {name: Dora, aliases: [d@example.org]}
    eve: {name: Eve, forward: dora@example.org}
    frank: {name: Frank, forward: d@example.org}
`;
    const { operator, state } = await setUp(t, text);
    assert.equal((await outcome(operator, operator.submit({ kind: "delete", uid: "dora" }))).state, "done");
    assert.match(state.text, /dora: .*state: deleted/);
    // What follows isn't stopped by what is forwarded to her now.
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });

  const beyond: { what: string; text?: string; request: PersonRequest; code: FaultCode }[] = [
    {
      what: "the postmaster gives their mailbox up",
      request: { kind: "delete", uid: "alice" },
      code: "needs-administrator",
    },
    {
      what: "who is postmaster as the first by alphabet gives their mailbox up",
      text: FILE.replace("  semail:postmaster: alice\n", "").replace("Durand\n      state: none", "Durand"),
      request: { kind: "delete", uid: "alice" },
      code: "needs-administrator",
    },
    {
      what: "who gets the mail for nobody else gives their mailbox up",
      text: `${FILE.replace("Durand\n      state: none", "Durand")}  semail:smtpIn: {catchAll: bob}\n`,
      request: { kind: "delete", uid: "bob" },
      code: "needs-administrator",
    },
    {
      what: "somebody forwards their mail to themselves",
      request: { kind: "update", uid: "alice", forward: "alice@example.org" },
      code: "forward-own",
    },
  ];
  for (const { what, text, request, code } of beyond)
    it(`says at once why it can't be done, and begins nothing: ${what}`, async (t) => {
      const { operator, folder } = await setUp(t, text);
      assert.throws(() => operator.submit(request), isRefusal(code));
      assert.deepEqual(await readdir(join(folder, "journal")), []);
    });

  it("restarts a box also where the entry can't be changed by itself", async (t) => {
    const { operator } = await setUp(t, `${FILE}    dora: &dora {name: Dora}\n    eve: *dora\n`);
    assert.equal((await outcome(operator, operator.submit({ kind: "restart", uid: "eve" }))).state, "done");
    assert.throws(() => operator.submit({ kind: "delete", uid: "eve" }), isRefusal("needs-administrator"));
  });

  it("does requests one after the other", async (t) => {
    const { operator, state, played } = await setUp(t);
    let running = 0;
    played.during = async () => {
      assert.equal(++running, 1);
      await new Promise(setImmediate);
      running -= 1;
    };
    const ids = [create, { kind: "create", uid: "carol", address: "c@example.org" } as const].map((one) =>
      operator.submit(one),
    );
    for (const id of ids) assert.equal((await outcome(operator, id)).state, "done");
    assert.match(state.text, /carol: \{name: Carol, addresses: \[c@example\.org\]\} # soon/);
  });

  it("makes a branch and leaves the stack alone where requests are to be approved", async (t) => {
    const text = FILE.replace("config:\n", "config:\n  semail:portal: {approval: true}\n");
    const { operator, start, state, played } = await setUp(t, text);
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, state.text, played.updates], ["waiting-for-approval", text, []]);
    assert.equal(played.commits[0]?.branch, "semail/create-bob-00000000");
    const { operator: other } = start(false);
    const refused = await outcome(other, other.submit(create));
    assert.equal(refused.error?.code, "needs-administrator");
  });

  it("takes five of a person that wait for an administrator, and the next when one is decided", async (t) => {
    const text = FILE.replace("config:\n", "config:\n  semail:portal: {approval: true}\n");
    const { operator, played } = await setUp(t, text);
    const waiting = ["create-bob-1", "create-bob-2", "update-bob-3", "delete-bob-4", "cancel-delete-bob-5"];
    played.waiting = waiting.map((name) => `semail/${name}`);
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, view.error?.code, played.commits], ["failed", "approval-limit", []]);
    const other = { kind: "create", uid: "carol", address: "c@example.org" } as const;
    assert.equal((await outcome(operator, operator.submit(other))).state, "waiting-for-approval");
    played.waiting.shift();
    assert.equal((await outcome(operator, operator.submit(create))).state, "waiting-for-approval");
  });

  it("says what is wrong with a stack file that can't be read", async (t) => {
    const { operator, state } = await setUp(t);
    state.text = "config: [";
    assert.throws(() => operator.submit(create), isRefusal("config-unreadable"));
    state.text = FILE.replace("Alice Martin", '""');
    assert.throws(() => operator.person("bob"), isRefusal("config-refused"));
  });

  it("leaves an entry that an administrator changed in the middle, and says so", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.during = () => {
      state.text = state.text.replace("Bob Durand", "Robert Durand");
      throw noAnswer;
    };
    assert.equal((await outcome(operator, operator.submit(create))).state, "failed");
    assert.match(state.text, /Robert Durand/);
    assert.deepEqual(played.updates.length, 1);
  });

  it("goes on taking back when the file was half edited, or wrong, at that moment", async (t) => {
    const { operator, state, played } = await setUp(t);
    let whole = "";
    played.during = (number) => {
      if (number > 1) return;
      whole = state.text;
      state.text = whole.replace("name: Alice Martin", 'name: "Alice');
      throw noAnswer;
    };
    played.onWait = () => {
      state.text = whole;
    };
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, state.text, played.updates.at(-1)], ["failed", FILE, FILE]);
  });

  it("takes requests again when an administrator has changed the entry that could not be taken back", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.during = (number) => {
      if (number === 2) state.text = state.text.replace("Bob Durand", "Robert Durand");
      if (number < 3) throw noAnswer;
    };
    assert.equal((await outcome(operator, operator.submit(create))).state, "failed");
    assert.deepEqual([played.updates.length, played.waits.length], [2, 1]);
    const other = { kind: "create", uid: "carol", address: "c@example.org" } as const;
    assert.equal((await outcome(operator, operator.submit(other))).state, "done");
  });

  it("forgets requests that are long over, and none that isn't", async (t) => {
    const { operator, start, folder } = await setUp(t, FILE, 3);
    const restart = { kind: "restart", uid: "alice" } as const;
    const ids: string[] = [];
    for (let asked = 0; asked < 6; asked += 1) {
      ids.push(operator.submit(restart));
      await operator.idle();
    }
    const waiting = [operator.submit(restart), operator.submit(create)];
    const known = [...ids.slice(3), ...waiting];
    const knows = (one: typeof operator) => {
      for (const id of known) assert.equal(one.request(id).id, id);
      for (const id of ids.slice(0, 3)) assert.throws(() => one.request(id), isRefusal("unknown-request"));
    };
    knows(operator);
    await operator.idle();
    assert.deepEqual(
      (await readdir(join(folder, "journal"))).sort(),
      known.slice(-3).map((id) => `${id}.json`),
    );
    known.splice(0, 2);
    knows(operator);
    const { operator: next } = start();
    next.recover();
    knows(next);
  });

  it("keeps the journal to its own and to what is needed", async (t) => {
    const { operator, folder } = await setUp(t);
    await outcome(operator, operator.submit(create));
    const [name = ""] = await readdir(join(folder, "journal"));
    const kept = JSON.parse(await readFile(join(folder, "journal", name), "utf8"));
    assert.deepEqual(Object.keys(kept).sort(), [
      "acceptedAt",
      "attempts",
      "change",
      "phase",
      "request",
      "touched",
      "version",
      "view",
    ]);
    assert.ok(!JSON.stringify(kept).includes("Alice"));
  });
});
