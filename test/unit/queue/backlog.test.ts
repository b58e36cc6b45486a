import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { Backlog, type Group } from "../../../mailserver/queue/backlog.ts";
import type { DueItem } from "../../../mailserver/queue/item.ts";
import { UnderWay } from "../../../mailserver/queue/under-way.ts";

/** An item of one recipient for each destination. */
function due(id: string, destinations: readonly string[], size = 1_000): DueItem {
  const recipients = destinations.map((destination, seq) => ({ seq, destination }));
  return { id, size, recipients } as unknown as DueItem;
}

function filled(atOnce: number, destinations: readonly string[]) {
  let now = 0;
  const backlog = new Backlog({ atOnce, now: () => now });
  const add = (names: readonly string[], size?: number) => {
    for (const name of names) backlog.add(due(`${name}-${now}`, [name], size));
  };
  add(destinations);
  const takeAll = (): Group[] => {
    const groups: Group[] = [];
    for (let group = backlog.take(); group !== undefined; group = backlog.take()) groups.push(group);
    return groups;
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { backlog, add, takeAll, pass, now: () => now };
}

const names = (groups: readonly Group[]): string[] => groups.map(({ destination }) => destination).sort();
const numbered = (name: string, count: number) => Array.from({ length: count }, (_, at) => `${name}${at}`);

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

const MIB = 1024 * 1024;
const MINUTE = 60_000;

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

/** Of one line that all share evenly, what arrives in four hours of large messages that wait all the time. */
function slowLine(mbit: number, sizes: readonly number[]) {
  const { backlog, add, takeAll, pass } = filled(100, []);
  const tick = 1_000;
  const perTick = (mbit * 1_000_000 * tick) / 8_000;
  const arrived = new Map(sizes.map((size) => [size, 0]));
  const left = new Map<Group, number>();
  let made = 0;
  const feed = (size: number): void => add([`mx:host${made++}`], size);
  const end = (group: Group, delivered: boolean): void => {
    left.delete(group);
    backlog.finished(group, delivered);
    feed(group.item.size);
  };
  for (let round = 0; round < 8; round += 1) for (const size of sizes) feed(size);
  for (let now = 0; now < 240 * MINUTE; now += tick) {
    for (const group of takeAll()) left.set(group, group.item.size);
    const late = backlog.giveWay();
    if (late !== undefined) end(late, false);
    const each = perTick / Math.max(left.size, 1);
    for (const [group, bytes] of left) {
      left.set(group, bytes - each);
      if (bytes > each) continue;
      arrived.set(group.item.size, (arrived.get(group.item.size) ?? 0) + 1);
      end(group, true);
    }
    pass(tick);
  }
  return arrived;
}

describe("on a slow line large mail comes to its end while more of it waits", () => {
  const lines: readonly (readonly [mbit: number, ...sizes: number[]])[] = [
    [0.5, 10 * MIB],
    [0.5, 25 * MIB],
    [1, 10 * MIB],
    [1, 12 * MIB],
    [1, 20 * MIB],
    [1, 25 * MIB],
    [2, 18 * MIB],
  ];
  for (const [mbit, ...sizes] of lines) {
    test(`${mbit} Mbit/s, ${sizes.map((size) => size / MIB).join(" and ")} MiB`, () => {
      for (const [size, count] of slowLine(mbit, sizes)) assert.ok(count >= 5, `${count} of ${size} bytes`);
    });
  }
});

/** When one of 25 MiB begins that comes after a minute, while each that ends is followed by another one. */
function largeBegins({ size, ms, count, within }: Others): number | undefined {
  const { backlog, add, takeAll, pass, now } = filled(100, []);
  const ends = new Map<Group, number>();
  let made = 0;
  const end = (group: Group): void => {
    ends.delete(group);
    backlog.finished(group, false);
    add([`mx:other${made++}`], size);
  };
  add(numbered("mx:first", count), size);
  for (; now() < MINUTE + within; pass(250)) {
    if (now() === MINUTE) add(["mx:large"], 25 * MIB);
    for (const group of takeAll()) ends.set(group, now() + ms * (0.5 + (ends.size % 10) / 10));
    if ([...ends.keys()].some(({ destination }) => destination === "mx:large")) return now();
    const late = backlog.giveWay();
    for (const [group, at] of ends) if (at <= now() || group === late) end(group);
  }
  return undefined;
}

interface Others {
  readonly size: number;
  readonly ms: number;
  readonly count: number;
  readonly within: number;
}

describe("a large message begins, however many smaller large ones wait", () => {
  const others: Readonly<Record<string, Others>> = {
    "hosts that hang": { size: 5 * MIB, ms: 60 * MINUTE, count: 20, within: 20 * MINUTE },
    "large ones that hang": { size: 20 * MIB, ms: 240 * MINUTE, count: 4, within: 90 * MINUTE },
    "good hosts, 3 MiB": { size: 3 * MIB, ms: 4_000, count: 50, within: MINUTE },
    "good hosts, 0.4 MiB": { size: 400 * 1024, ms: 3_000, count: 150, within: MINUTE },
  };
  for (const [name, each] of Object.entries(others)) {
    test(name, () => assert.notEqual(largeBegins(each), undefined));
  }
});
