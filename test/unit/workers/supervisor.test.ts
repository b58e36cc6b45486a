import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { silentLog } from "../../../mailserver/net/log.ts";
import { LocalCounts } from "../../../mailserver/policy/client-counts.ts";
import type { FromPrimary, FromWorker } from "../../../mailserver/workers/messages.ts";
import { Supervisor, type WorkerProcess } from "../../../mailserver/workers/supervisor.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const QUOTA = { connections: 0, connectionsPerMinute: 0, recipientsPerHour: 2, errorsPerHour: 0 };
const OFF = { ...QUOTA, recipientsPerHour: 0 };

/** A worker process that a test speaks for. */
class FakeWorker implements WorkerProcess {
  readonly pid = 1;
  readonly slot: number;
  readonly told: FromPrimary[] = [];
  killed = false;
  #hear: (message: FromWorker) => void = () => {};
  #exit: (how: number | string) => void = () => {};

  constructor(slot: number) {
    this.slot = slot;
  }
  send(message: FromPrimary): void {
    this.told.push(message);
  }
  onMessage(listener: (message: FromWorker) => void): void {
    this.#hear = listener;
  }
  onExit(listener: (how: number | string) => void): void {
    this.#exit = listener;
  }
  kill(): void {
    this.killed = true;
    this.end("SIGKILL");
  }
  end(how: number | string): void {
    this.#exit(how);
  }
  async say(message: FromWorker): Promise<FromPrimary | undefined> {
    this.#hear(message);
    await setImmediate();
    return this.told.at(-1);
  }
}

function supervise(workers = 2) {
  const clock = new FakeClock(0);
  const forked: FakeWorker[] = [];
  const logged: string[] = [];
  const supervisor = new Supervisor({
    workers,
    fork: (slot) => {
      const worker = new FakeWorker(slot);
      forked.push(worker);
      return worker;
    },
    counts: new LocalCounts({
      share: { connections: 2 },
      address: QUOTA,
      network: OFF,
      exempt: [],
      now: () => clock.now(),
    }),
    timing: clock,
    log: { ...silentLog, error: (event) => void logged.push(event) },
    graceMs: 3_000,
  });
  const worker = (index: number): FakeWorker => forked[index] ?? assert.fail(`no worker ${index}`);
  return { clock, forked, logged, supervisor, worker };
}

async function ready(made: ReturnType<typeof supervise>): Promise<void> {
  const port = made.supervisor.start();
  for (const worker of made.forked) await worker.say({ kind: "ready", port: 2525 });
  assert.equal(await port, 2525);
}

const enter = (number: number) => ({ kind: "enter", number, client: "192.0.2.1" }) as const;

describe("the primary", () => {
  test("has started when every worker serves, and not before", async () => {
    const made = supervise();
    const port = made.supervisor.start();
    assert.equal(made.supervisor.healthy(), false);
    await made.worker(0).say({ kind: "ready", port: 2525 });
    assert.equal(made.supervisor.healthy(), false);
    await made.worker(1).say({ kind: "ready", port: 2525 });
    assert.equal(await port, 2525);
    assert.equal(made.supervisor.healthy(), true);
  });

  const failures: Readonly<Record<string, readonly [(worker: FakeWorker) => unknown, RegExp]>> = {
    "says why": [(worker) => worker.say({ kind: "failed", reason: "EADDRINUSE" }), /EADDRINUSE/],
    "just ends": [(worker) => worker.end("SIGSEGV"), /worker 1 ended before it served \(SIGSEGV\)/],
  };
  for (const [how, [fail, want]] of Object.entries(failures)) {
    test(`fails to start when a worker ${how} before it serves`, async () => {
      const made = supervise();
      const started = made.supervisor.start();
      void fail(made.worker(0));
      await assert.rejects(started, want);
    });
  }

  test("replaces a worker that ends, in its slot, sooner at first than when it keeps ending", async () => {
    const made = supervise();
    await ready(made);
    const pauses: number[] = [];
    for (let end = 0; end < 3; end += 1) {
      const before = made.clock.now();
      made.forked.at(-1)?.end(1);
      assert.equal(made.supervisor.healthy(), false);
      pauses.push((await made.clock.jump()) - before);
      await made.forked.at(-1)?.say({ kind: "ready", port: 2525 });
    }
    assert.deepEqual(pauses, [100, 200, 400]);
    assert.deepEqual(
      made.forked.map(({ slot }) => slot),
      [1, 2, 2, 2, 2],
    );
    assert.deepEqual(made.logged, ["worker.ended", "worker.ended", "worker.ended"]);
    assert.deepEqual(made.supervisor.state(), { serving: 2 });
  });

  test("counts clients for all workers together", async () => {
    const made = supervise();
    await ready(made);
    const answers = [];
    for (const [number, index] of [0, 1, 0].entries()) {
      answers.push(await made.worker(index).say(enter(number)));
    }
    assert.deepEqual(answers, [
      { kind: "answer", number: 0, value: "welcome" },
      { kind: "answer", number: 1, value: "welcome" },
      { kind: "answer", number: 2, value: "full" },
    ]);
    await made.worker(1).say({ kind: "leave", client: "192.0.2.1" });
    assert.deepEqual(await made.worker(0).say(enter(3)), { kind: "answer", number: 3, value: "welcome" });
    const recipients = [];
    for (const [number, index] of [0, 1, 0].entries()) {
      const told = await made.worker(index).say({ kind: "recipient", number, client: "192.0.2.1" });
      recipients.push(told?.kind === "answer" && told.value);
    }
    assert.deepEqual(recipients, [true, true, false]);
  });

  test("lets the clients of a worker that ended leave with it", async () => {
    const made = supervise();
    await ready(made);
    await made.worker(0).say(enter(0));
    await made.worker(0).say(enter(1));
    assert.deepEqual(await made.worker(1).say(enter(2)), { kind: "answer", number: 2, value: "full" });
    made.worker(0).end("SIGKILL");
    for (const number of [3, 4]) {
      assert.deepEqual(await made.worker(1).say(enter(number)), { kind: "answer", number, value: "welcome" });
    }
    // A question that was on its way when its worker ended keeps no place.
    await made.worker(1).say({ kind: "leave", client: "192.0.2.1" });
    await made.worker(0).say(enter(5));
    assert.deepEqual(await made.worker(1).say(enter(6)), { kind: "answer", number: 6, value: "welcome" });
  });

  test("lets nobody leave twice when a worker's last words come after its end", async () => {
    const made = supervise();
    await ready(made);
    await made.worker(0).say(enter(0));
    await made.worker(0).say(enter(1));
    made.worker(0).end("SIGKILL");
    for (const kind of ["leave", "leave", "error"] as const) {
      await made.worker(0).say({ kind, client: "192.0.2.1" });
    }
    const values = [];
    for (const number of [2, 3, 4]) {
      const told = await made.worker(1).say(enter(number));
      values.push(told?.kind === "answer" && told.value);
    }
    assert.deepEqual(values, ["welcome", "welcome", "full"]);
  });

  test("takes a worker that says it is ready after its end for one that is not", async () => {
    const made = supervise();
    await ready(made);
    made.worker(0).end("SIGKILL");
    await made.worker(0).say({ kind: "ready", port: 2525 });
    assert.deepEqual(made.supervisor.state(), { serving: 1 });
  });

  test("tells the other workers, and only them, that a box is back", async () => {
    const made = supervise(3);
    await ready(made);
    const message = { kind: "boxBack", host: "box-alice" } as const;
    await made.worker(1).say(message);
    assert.deepEqual(
      made.forked.map(({ told }) => told),
      [[message], [], [message]],
    );
  });

  const turn = { kind: "turn", host: "box-alice" } as const;
  const turnOver = { kind: "turnOver", host: "box-alice" } as const;

  test("gives the workers turns at a box, first come first served", async () => {
    const made = supervise(4);
    await ready(made);
    // One of the two that may be at a box has it all the time.
    assert.deepEqual(await made.worker(3).say(turn), turn);
    const told = (): FromPrimary[][] => made.forked.slice(0, 3).map((worker) => worker.told);
    for (const index of [1, 2, 0]) await made.worker(index).say(turn);
    assert.deepEqual(told(), [[], [turn], []]);
    await made.worker(1).say(turnOver);
    assert.deepEqual(told(), [[], [turn], [turn]]);
    await made.worker(1).say({ ...turn, host: "box-bob" });
    assert.deepEqual(told(), [[], [turn, { ...turn, host: "box-bob" }], [turn]]);
    await made.worker(2).say(turnOver);
    assert.deepEqual(told(), [[turn], [turn, { ...turn, host: "box-bob" }], [turn]]);
  });

  test("passes on the turns of a worker that ended, and its successor asks for its own", async () => {
    const made = supervise(3);
    await ready(made);
    await made.worker(2).say(turn);
    await made.worker(0).say(turn);
    await made.worker(1).say(turn);
    made.worker(0).end("SIGKILL");
    assert.deepEqual(made.worker(1).told, [turn]);
    // What it said last may be heard after its end.
    await made.worker(0).say(turn);
    await made.worker(0).say(turnOver);
    assert.equal(await made.clock.jump(), 100);
    assert.equal(await made.worker(3).say(turn), undefined);
    await made.worker(1).say(turnOver);
    assert.deepEqual(made.worker(3).told, [turn]);
  });

  test("is not healthy while a worker gives no sign of life, and kills one that never does again", async () => {
    const made = supervise();
    await ready(made);
    let killed = false;
    while (!killed) {
      await made.clock.jump();
      await made.worker(0).say({ kind: "alive" });
      killed = made.worker(1).killed;
      assert.equal(made.supervisor.healthy(), made.clock.now() < 15_000, `${made.clock.now()} ms`);
    }
    assert.equal(made.clock.now(), 60_000);
    assert.deepEqual(made.logged, ["worker.hung", "worker.ended"]);
    assert.equal(made.worker(0).killed, false);
  });

  test("gives one that starts more time: a slow machine takes long to read its program", async () => {
    const made = supervise();
    await ready(made);
    made.worker(1).end(1);
    while (made.forked.length < 3) await made.clock.jump();
    const born = made.clock.now();
    const killed = made.worker(2);
    while (!killed.killed) {
      assert.ok(made.clock.now() - born < 300_000, "it waits for ever");
      await made.clock.jump();
      await made.worker(0).say({ kind: "alive" });
    }
    assert.ok(made.clock.now() - born >= 295_000);
  });

  test("fails to start when one never comes to serve", async () => {
    const made = supervise();
    const started = made.supervisor.start();
    void (async () => {
      while (!made.worker(0).killed) await made.clock.jump();
    })();
    await assert.rejects(started, /worker 1 ended before it served \(SIGKILL\)/);
    assert.equal(made.clock.now(), 300_000);
  });

  test("reads what the workers counted, without one that does not answer", async () => {
    const made = supervise();
    await ready(made);
    const metrics = made.supervisor.metrics();
    const [asked] = made.worker(0).told;
    assert.ok(asked?.kind === "measure");
    await made.worker(0).say({ kind: "metrics", number: asked.number, metrics: [] });
    // The time-out of the other one; the ping comes later.
    assert.equal(await made.clock.jump(), 2_000);
    assert.deepEqual(await metrics, [[]]);
  });

  test("stops when all workers have ended, and kills those that take longer than the grace", async () => {
    const made = supervise();
    await ready(made);
    const stopped = made.supervisor.stop();
    assert.deepEqual(made.worker(0).told, [{ kind: "stop" }]);
    made.worker(0).end(0);
    assert.equal(await made.clock.jump(), 3_000);
    await stopped;
    assert.deepEqual([made.worker(0).killed, made.worker(1).killed], [false, true]);
    assert.equal(made.forked.length, 2);
  });
});
