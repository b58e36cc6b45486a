import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import type { Backlog, Group } from "../../../mailserver/queue/backlog.ts";
import { UnderWay } from "../../../mailserver/queue/under-way.ts";
import { filled, MIB, MINUTE, names, numbered } from "./backlog-site.ts";

test("destinations that hang have half of the places the next time, and the others go on", () => {
  const { backlog, add, takeAll, pass } = filled(4, numbered("hangs", 4));
  const first = takeAll();
  assert.equal(first.length, 4, "nobody knows yet");
  pass(300_000);
  for (const group of first) backlog.finished(group, true);
  add([...numbered("hangs", 4), "quick"]);
  assert.deepEqual(names(takeAll()), ["hangs0", "hangs1", "quick"]);
});

test("one that answers in time is slow no more", () => {
  const { backlog, add, takeAll, pass } = filled(2, ["a"]);
  for (const ms of [300_000, 50]) {
    const [group] = takeAll();
    assert.ok(group);
    pass(ms);
    backlog.finished(group, true);
    add(["a"]);
  }
  add(["a", "a"]);
  assert.equal(takeAll().length, 2);
});

/** So many destinations are known as slow. */
function slow(places: number, count: number) {
  const world = filled(places, []);
  const destinations = numbered("mx:slow", count);
  for (const destination of destinations) {
    world.add([destination]);
    const [group] = world.takeAll();
    assert.ok(group);
    world.pass(11_000);
    world.backlog.finished(group, true);
  }
  return { ...world, destinations };
}

test("who waits because too many slow ones are in time is looked at again when those are late, and nobody gives way", () => {
  const { backlog, add, takeAll, pass, now, destinations } = slow(4, 20);
  add(destinations);
  // All other places may hold late ones.
  for (let round = 0; round < 6; round += 1) {
    assert.equal(takeAll().length, 2);
    assert.equal(backlog.giveWay(), undefined);
    const at = backlog.changesAt();
    assert.ok(at !== undefined);
    pass(at - now());
  }
  assert.equal(takeAll().length, 2);
});

test("however many slow ones wait, those under way are looked at once", () => {
  const { backlog, add, takeAll, destinations } = slow(4, 20);
  add(destinations);
  takeAll();
  const looks = mock.method(UnderWay.prototype, "inTime");
  assert.equal(backlog.take(), undefined);
  assert.equal(looks.mock.callCount(), 1);
  looks.mock.restore();
});

test("destinations known as slow never fill all that is claimed", () => {
  const { backlog, add, takeAll, destinations } = slow(4, 3_000);
  let next = 0;
  while (!backlog.busyDestinations().includes("mx:slow2999")) {
    const until = next + backlog.room();
    assert.ok(until < 2_000);
    add(destinations.slice(next, until));
    next = until;
    takeAll();
  }
  assert.ok(backlog.room() >= 500, `${backlog.room()}`);
  assert.deepEqual(
    destinations.filter((name) => !backlog.busyDestinations().includes(name)),
    [],
  );
});

test("a single slow destination is still served", () => {
  const { backlog, add, takeAll, pass } = filled(1, ["a"]);
  const [group] = takeAll();
  assert.ok(group);
  pass(60_000);
  backlog.finished(group, true);
  add(["a"]);
  assert.equal(takeAll().length, 1);
});

/** A place that gets free is taken at once, as the runner does. */
function work(backlog: Backlog, groups: Group[], delivered: (group: Group) => boolean, deliveries: number) {
  for (let count = 0; count < deliveries; count += 1) {
    const group = groups.shift();
    assert.ok(group);
    backlog.finished(group, delivered(group));
    for (let next = backlog.take(); next !== undefined; next = backlog.take()) groups.push(next);
  }
}

const line = (name: string, count: number) => Array<string>(count).fill(name);

test("a destination that keeps up gets more places, one that does not has two", () => {
  const { backlog, takeAll } = filled(100, [...line("mx:quick.test", 200), ...line("mx:refuses.test", 200)]);
  const groups = takeAll();
  assert.deepEqual(names(groups), [...line("mx:quick.test", 2), ...line("mx:refuses.test", 2)]);
  work(backlog, groups, ({ destination }) => destination === "mx:quick.test", 100);
  const of = (name: string) => groups.filter(({ destination }) => destination === name).length;
  assert.deepEqual([of("mx:quick.test"), of("mx:refuses.test")], [20, 2]);
});

test("a box never has more than two, and one destination a fifth of the places at most", () => {
  const { backlog, takeAll } = filled(50, [...line("box:a", 100), ...line("mx:quick.test", 100)]);
  const groups = takeAll();
  work(backlog, groups, () => true, 60);
  const of = (name: string) => groups.filter(({ destination }) => destination === name).length;
  assert.deepEqual([of("box:a"), of("mx:quick.test")], [2, 10]);
});

test("one that had nothing to do begins anew", () => {
  const { backlog, add, takeAll } = filled(100, line("mx:quick.test", 40));
  const groups = takeAll();
  work(backlog, groups, () => true, 40);
  assert.equal(groups.length, 0);
  add(line("mx:quick.test", 40));
  assert.equal(takeAll().length, 2);
});

describe("while deliveries hang,", () => {
  /** All places are taken, and those for late ones, too: nothing but late ones is under way. */
  function full(places: number) {
    const world = filled(places, []);
    for (let round = 0; round < 4; round += 1) {
      world.add(numbered(`mx:hangs${round}-`, places));
      assert.equal(world.takeAll().length, places, "a late one needs no place");
      world.pass(11_000);
    }
    assert.equal(world.backlog.take(), undefined);
    return world;
  }

  test("nobody is told to give way, nor is anything looked at again, unless somebody waits for it", () => {
    const { backlog, add, takeAll } = full(2);
    assert.deepEqual([backlog.giveWay(), backlog.changesAt()], [undefined, undefined]);
    add(["mx:hangs0-0", "mx:hangs0-0"]);
    takeAll();
    assert.notEqual(backlog.giveWay(), undefined, "one of two may go to a destination that has one");
    const { backlog: another, takeAll: takeAnother, pass } = filled(100, line("mx:hangs", 3));
    assert.equal(takeAnother().length, 2);
    pass(MINUTE);
    assert.deepEqual(
      [another.take(), another.giveWay(), another.changesAt()],
      [undefined, undefined, undefined],
    );
  });

  test("the last that became late gives way first, and as many as are more than may be late", () => {
    const { backlog, add, takeAll } = full(2);
    add(numbered("mx:good", 3));
    takeAll();
    const told: string[] = [];
    for (let group = backlog.giveWay(); group !== undefined; group = backlog.giveWay()) {
      told.push(group.destination);
      backlog.finished(group, false);
      takeAll();
    }
    assert.deepEqual(told, ["mx:hangs3-1", "mx:hangs3-0"]);
    assert.deepEqual(names(backlog.drain()), ["mx:good2"]);
  });

  test("who has been late for long gives way before", () => {
    const { backlog, add, pass, takeAll } = full(2);
    pass(5 * MINUTE - 44_000);
    add(["mx:good"]);
    assert.deepEqual(takeAll(), []);
    assert.equal(backlog.giveWay()?.destination, "mx:hangs0-0");
  });

  test("who has its result is not late, is told nothing, and was as slow as its host", () => {
    const { backlog, add, takeAll, pass } = filled(2, numbered("mx:good", 2));
    const groups = takeAll();
    for (const group of groups) backlog.answered(group);
    pass(10 * MINUTE);
    add(numbered("mx:good", 2));
    assert.deepEqual(takeAll(), []);
    assert.deepEqual([backlog.giveWay(), backlog.changesAt()], [undefined, undefined]);
    for (const group of groups) backlog.finished(group, true);
    assert.deepEqual(names(takeAll()), ["mx:good0", "mx:good1"], "no destination is slow");
  });

  test("another is told when one that was told does not end, but not before it can have", () => {
    const { backlog, add, pass, takeAll } = full(2);
    add(["mx:good"]);
    takeAll();
    assert.equal(backlog.giveWay()?.destination, "mx:hangs3-1");
    assert.equal(backlog.giveWay(), undefined);
    const again = backlog.changesAt() ?? 0;
    assert.equal(again, 44_250);
    pass(250);
    takeAll();
    assert.equal(backlog.giveWay()?.destination, "mx:hangs3-0");
  });

  test("a place is looked for again when the first becomes late", () => {
    const { backlog, add, takeAll, pass } = filled(2, numbered("mx:hangs", 2));
    takeAll();
    add(["mx:good"]);
    assert.deepEqual([backlog.take(), backlog.giveWay()], [undefined, undefined]);
    const at = backlog.changesAt() ?? 0;
    assert.ok(at > 10_000 && at < 10_100, `${at}`);
    pass(at);
    assert.deepEqual(names(takeAll()), ["mx:good"]);
  });

  /** A message is late for long after five minutes, and a millisecond for each 16 bytes of a large one. */
  const long = (size: number) => 5 * MINUTE + size / 16;
  const large: Readonly<
    Record<string, { hang: readonly number[]; after: number; told: string | undefined }>
  > = {
    "in their time, nobody is told": { hang: [25 * MIB, 10 * MIB], after: 30_000, told: undefined },
    "the first may go on": { hang: [25 * MIB, 10 * MIB], after: 2 * MINUTE, told: "mx:hangs1" },
    "alone, it may go on": { hang: [36 * MIB], after: long(36 * MIB) - 1, told: undefined },
    "alone, but for long": { hang: [36 * MIB], after: long(36 * MIB), told: "mx:hangs0" },
    "together not more than half": { hang: [8 * MIB, 12 * MIB, 20 * MIB], after: MINUTE, told: undefined },
    "a message that is larger than all that may be": {
      hang: [50 * MIB],
      after: long(50 * MIB),
      told: "mx:hangs0",
    },
  };
  for (const [name, { hang, after, told }] of Object.entries(large)) {
    test(`of large messages that others wait for: ${name}`, () => {
      const { backlog, add, takeAll, pass } = filled(100, []);
      for (const [index, size] of hang.entries()) add([`mx:hangs${index}`], size);
      assert.equal(takeAll().length, hang.length);
      pass(after);
      add(["mx:large", "mx:both"], 6 * MIB);
      add(["mx:both", "mx:small"], 64 * 1024);
      assert.deepEqual(names(takeAll()), ["mx:both", "mx:small"], "small ones go past");
      const group = backlog.giveWay();
      assert.equal(group?.destination, told);
      if (group === undefined) return;
      backlog.finished(group, false);
      assert.equal(takeAll()[0]?.destination, "mx:large");
    });
  }
});
