import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { OperatorError, operatorClient } from "../../../mailserver/operator/client.ts";
import type { PersonRequest, RequestView } from "../../../mailserver/operator/protocol.ts";
import type { Change } from "../../../operator/changes.ts";
import type { CommitOptions } from "../../../operator/git.ts";
import { openJournal } from "../../../operator/journal.ts";
import { Operator } from "../../../operator/operator.ts";
import { Refusal } from "../../../operator/refusal.ts";
import { listen, routes } from "../../../operator/server.ts";
import type { Progress } from "../../../operator/updates.ts";

const FILE = `config:
  semail:domain: example.org
  semail:postmaster: alice
  semail:users:
    alice:
      name: Alice Martin
    bob:
      name: Bob Durand
      state: none
    carol: {name: Carol, state: none} # soon
`;
const create: PersonRequest = { kind: "create", uid: "bob", address: "bob@example.org" };
const VOLUME = "docker:index/volume:Volume";
const mail = (op: string, name = "person-bob-mail"): Change => ({
  urn: `urn:pulumi:t::semail::${VOLUME}::${name}`,
  type: VOLUME,
  op,
});
const noAnswer = new Refusal("update-failed", "The Docker engine went away meanwhile.");

/** Pulumi and the engine, played; each update that was made is a line. */
interface Played {
  updates: string[];
  /** Called in each update with its number; throws to have it fail. */
  during(number: number): void | Promise<void>;
  changes: Change[];
  commits: { subject: string; author: string; branch: string | undefined }[];
  unprotected: string[];
  waits: number;
  prepared: number;
}

async function setUp(t: TestContext, text = FILE) {
  const folder = await mkdtemp(join(tmpdir(), "semail-op-"));
  t.after(() => rm(folder, { recursive: true }));
  const state = { text };
  const played: Played = {
    updates: [],
    during: () => undefined,
    changes: [mail("create")],
    commits: [],
    unprotected: [],
    waits: 0,
    prepared: 0,
  };
  let ids = 0;
  const start = (repository = true) => {
    const ending = new AbortController();
    const operator = new Operator({
      file: {
        name: "Pulumi.t.yaml",
        project: "semail",
        read: () => state.text,
        write: (next) => {
          state.text = next;
        },
      },
      updates: {
        prepare: async () => {
          played.prepared += 1;
          throw new Error("Pulumi isn't there");
        },
        preview: async () => played.changes,
        update: async (next: string, onProgress: (progress: Progress) => void) => {
          ending.signal.throwIfAborted();
          const number = played.updates.push(next);
          onProgress({ ...mail("create"), state: "running" });
          await played.during(number);
          onProgress({ ...mail("create"), state: "done" });
        },
        unprotect: async (name) => void played.unprotected.push(name),
      },
      boxes: {
        ready: async () => undefined,
        restart: async () => undefined,
        usage: async () => ({ used: 1_024, limit: null }),
        log: async (uid) => `log of ${uid}`,
      },
      repository: async () =>
        repository
          ? {
              commit: async ({ message, author, branch, edit }: CommitOptions) => {
                edit(FILE);
                played.commits.push({ subject: message.split("\n")[0] ?? "", author: author.email, branch });
                return "1";
              },
            }
          : undefined,
      journal: openJournal(join(folder, "journal")),
      now: () => Date.parse("2026-11-28T10:00:00Z"),
      newId: () => String(++ids).padStart(32, "0"),
      wait: async () => {
        played.waits += 1;
        ending.signal.throwIfAborted();
      },
      ending: ending.signal,
      log: silentLog,
    });
    return { operator, ending };
  };
  return { ...start(), start, state, played, folder };
}

/** What became of a request. */
async function outcome(operator: Operator, id: string): Promise<RequestView> {
  await operator.idle();
  return operator.request(id);
}
const isRefusal = (code: string) => (error: unknown) => error instanceof Refusal && error.fault.code === code;

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

  it("leaves the stack alone where an update would change more, and says who must act", async (t) => {
    const { operator, state, played } = await setUp(t);
    played.changes = [mail("create"), mail("replace", "mail-queue")];
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, view.error?.code], ["failed", "needs-administrator"]);
    assert.match(view.error?.detail ?? "", /npm run up/);
    assert.deepEqual([state.text, played.updates, played.commits], [FILE, [], []]);
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
          isRefusal("unavailable"),
        );
        during = operator.request("1".padStart(32, "0")).state;
      }
      if (number < 4) throw noAnswer;
    };
    const view = await outcome(operator, operator.submit(create));
    assert.deepEqual([view.state, during, state.text, played.waits], ["failed", "failed", FILE, 2]);
    played.during = () => undefined;
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });

  it("gives an address to the first who asks, and one request at a time to each", async (t) => {
    const { operator } = await setUp(t);
    const first = operator.submit({ ...create, address: "info2@example.org" });
    const same = { kind: "create", uid: "carol", address: "info2@example.org" } as const;
    assert.deepEqual(operator.address("info2@example.org"), { free: false, reason: "taken" });
    assert.throws(() => operator.submit(same), isRefusal("address-taken"));
    assert.throws(() => operator.submit(create), isRefusal("busy-with-own-request"));
    assert.equal(operator.person("bob").pending, first);
    await operator.idle();
    assert.throws(() => operator.submit(same), isRefusal("address-taken"));
    assert.equal(operator.person("bob").pending, null);
  });

  it("does requests one after the other", async (t) => {
    const { operator, state, played } = await setUp(t);
    let running = 0;
    played.during = async () => {
      assert.equal(++running, 1);
      await new Promise(setImmediate);
      running -= 1;
    };
    played.changes = [];
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

describe("an operator that was killed", () => {
  /** Runs until `when` and never gets further; then another one starts on what is left. */
  async function killed(t: TestContext, when: (number: number) => boolean, failing = false) {
    const all = await setUp(t);
    const { operator, played, start, ending } = all;
    const reached = new Promise<void>((resolve) => {
      played.during = (number) => {
        if (failing && number === 1 && !when(number)) throw noAnswer;
        if (!when(number)) return undefined;
        resolve();
        return new Promise(() => undefined);
      };
    });
    const id = operator.submit(create);
    await reached;
    ending.abort();
    played.during = () => undefined;
    const next = start();
    next.operator.recover();
    return { ...all, view: await outcome(next.operator, id), next };
  }

  it("in the middle of an update finishes it", async (t) => {
    const { view, state, played } = await killed(t, (number) => number === 1);
    assert.deepEqual([view.state, played.updates.length], ["done", 2]);
    assert.match(state.text, /Bob Durand\n {4}carol/);
  });

  it("while it took a failed one back goes on with that", async (t) => {
    const { view, state, played } = await killed(t, (number) => number === 2, true);
    assert.deepEqual([view.state, view.error?.code, state.text], ["failed", "update-failed", FILE]);
    assert.deepEqual(played.updates.at(-1), FILE);
  });

  it("again and again by the same request takes that back", async (t) => {
    const { operator, start, played, state, folder } = await setUp(t);
    const id = operator.submit(create);
    await operator.idle();
    const path = join(folder, "journal", `${id}.json`);
    const entry = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...entry, phase: "applying", attempts: 3 }));
    const next = start().operator;
    next.recover();
    const view = await outcome(next, id);
    assert.deepEqual([view.state, view.error?.code], ["failed", "undone-after-restart"]);
    assert.deepEqual([state.text, played.updates.at(-1)], [FILE, FILE]);
  });

  it("sets a damaged journal file aside and goes on", async (t) => {
    const { start, folder } = await setUp(t);
    await writeFile(join(folder, "journal", "x.json"), "{");
    const { operator } = start();
    operator.recover();
    assert.deepEqual(await readdir(join(folder, "journal")), ["x.json.damaged"]);
    assert.equal((await outcome(operator, operator.submit(create))).state, "done");
  });
});

describe("the operator's socket", () => {
  async function served(t: TestContext) {
    const all = await setUp(t);
    const socket = join(all.folder, "s");
    const app = routes(all.operator, { log: silentLog, ending: all.ending.signal });
    const server = await listen(app, socket);
    t.after(() => {
      all.ending.abort();
      return server.close();
    });
    return { ...all, socket, app, client: operatorClient({ socket }) };
  }

  it("serves the protocol's client from the first question to the last event", async (t) => {
    const { client, operator, played } = await served(t);
    assert.equal((await client.person("bob")).state, "none");
    // That it fails is for the update to say.
    await client.prepare();
    assert.equal(played.prepared, 1);
    assert.deepEqual(await client.address("bob@example.org"), { free: true, reason: null });
    const states: string[] = [];
    for await (const view of client.events(await client.submit(create))) states.push(view.state);
    assert.equal(states.at(-1), "done");
    assert.equal((await client.person("bob")).state, "active");
    assert.equal(await client.log("bob"), "log of bob");
    assert.deepEqual(await client.usage("bob"), { used: 1_024, limit: null });
    await operator.idle();
  });

  const wrong: {
    name: string;
    ask: [method: string, path: string, body?: string];
    status: number;
    code: string;
  }[] = [
    { name: "no JSON", ask: ["POST", "/requests", "{"], status: 400, code: "malformed" },
    {
      name: "a config",
      ask: ["POST", "/requests", '{"kind":"update","uid":"bob","quota":"1TB"}'],
      status: 400,
      code: "malformed",
    },
    {
      name: "16 KB and a byte",
      ask: ["POST", "/requests", `"${"x".repeat(16_383)}"`],
      status: 400,
      code: "malformed",
    },
    { name: "nobody", ask: ["GET", "/people/mallory"], status: 404, code: "unknown-person" },
    { name: "a path for a uid", ask: ["GET", "/people/..%2Fetc"], status: 404, code: "unknown-person" },
    { name: "no request's id", ask: ["GET", "/requests/..%2F1"], status: 404, code: "unknown-request" },
    {
      name: "events of no request",
      ask: ["GET", `/requests/${"0".repeat(32)}/events`],
      status: 404,
      code: "unknown-request",
    },
    { name: "another resource", ask: ["DELETE", "/people/bob"], status: 404, code: "malformed" },
  ];
  for (const { name, ask, status, code } of wrong) {
    it(`answers ${status} ${code} to ${name}`, async (t) => {
      const { app } = await served(t);
      const [method, path, body] = ask;
      const response = await app.request(path, { method, ...(body === undefined ? {} : { body }) });
      assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [status, code]);
    });
  }

  it("takes the place of one that was killed, and not of one that lives", async (t) => {
    const { socket, app } = await served(t);
    await assert.rejects(listen(app, socket), /another operator listens/);
    await writeFile(`${socket}2`, "");
    await (await listen(app, `${socket}2`)).close();
  });

  it("hands a refusal over as it is", async (t) => {
    const { client } = await served(t);
    await assert.rejects(
      client.submit({ kind: "delete", uid: "bob" }),
      (error) => error instanceof OperatorError && error.status === 409 && error.fault.code === "wrong-state",
    );
  });
});
