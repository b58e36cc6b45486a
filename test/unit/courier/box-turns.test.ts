import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { type BoxTurns, createBoxTurns } from "../../../mailserver/courier/box-turns.ts";
import { FakeClock } from "../../support/fake-clock.ts";

let folder: string;
let clock: FakeClock;
let [one, two, three] = [] as unknown as [BoxTurns, BoxTurns, BoxTurns];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semail-turns-"));
  clock = new FakeClock(0);
  [one, two, three] = ["one", "two", "three"].map((name) =>
    createBoxTurns({ folder, name, timing: clock }),
  ) as [BoxTurns, BoxTurns, BoxTurns];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** In which order the turns came, each at once ended when it had come. */
function record(order: string[], name: string, turn: Promise<() => void>): Promise<void> {
  return turn.then((end) => {
    order.push(name);
    end();
  });
}

/** Lets those who wait look again, so many times in all. */
async function look(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    await setImmediate();
    if (clock.armed) await clock.jump();
  }
  await setImmediate();
}

describe("a box's turn", () => {
  test("is the first one's until they end it", async () => {
    const end = await one.take("box-alice");
    const order: string[] = [];
    const waits = record(order, "two", two.take("box-alice"));
    await look(5);
    assert.deepEqual(order, []);
    end();
    await look(1);
    await waits;
    assert.deepEqual(order, ["two"]);
  });

  test("is taken for each box by itself", async () => {
    await one.take("box-alice");
    await two.take("box-bob");
  });

  test("goes to who waits before who comes again", async () => {
    const end = await one.take("box-alice");
    const order: string[] = [];
    const waits = record(order, "two", two.take("box-alice"));
    await look(1);
    end();
    const again = record(order, "one", one.take("box-alice"));
    await look(3);
    await Promise.all([waits, again]);
    assert.deepEqual(order, ["two", "one"]);
  });

  test("is not waited for longer than a second, whether its owner died or hangs", async () => {
    const slow = await one.take("box-alice");
    const order: string[] = [];
    const others = [record(order, "two", two.take("box-alice"))];
    await look(500);
    await Promise.all(others);
    assert.deepEqual(order, ["two"]);
    // It is another's now, and not the slow one's to end.
    const end = await three.take("box-alice");
    slow();
    const waits = record(order, "two again", two.take("box-alice"));
    await look(3);
    assert.deepEqual(order, ["two"]);
    end();
    await look(1);
    await waits;
  });

  test("is left alone by who gives up", async () => {
    await one.take("box-alice");
    const abort = new AbortController();
    const gone = two.take("box-alice", abort.signal);
    abort.abort();
    await look(1);
    (await gone)();
    const order: string[] = [];
    const waits = record(order, "three", three.take("box-alice"));
    await look(5);
    assert.deepEqual(order, []);
    await look(500);
    await waits;
  });

  test("is everybody's when the folder can't be written to", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    rmSync(folder, { recursive: true });
    (await one.take("box-alice"))();
    (await two.take("box-alice"))();
    assert.ok(createBoxTurns({ folder, name: "x", timing: clock }));
  });
});
