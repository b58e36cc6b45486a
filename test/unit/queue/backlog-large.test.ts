/** Large messages, which have room for some of them at a time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Group } from "../../../mailserver/queue/backlog.ts";
import { filled, MIB, MINUTE, names, numbered } from "./backlog-site.ts";

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

describe("what is sent on is in memory twice, and counts so", () => {
  const cases: Readonly<Record<string, readonly [size: number, originals: string[], begin: number]>> = {
    "10 MiB": [10 * MIB, [], 4],
    "10 MiB, sent on": [10 * MIB, ["alice@semail.test"], 2],
    "25 MiB, sent on, alone": [25 * MIB, ["alice@semail.test"], 1],
    "60 KiB": [60 * 1_024, [], 900],
    "60 KiB, sent on": [60 * 1_024, ["alice@semail.test"], 341],
  };
  for (const [name, [size, originals, begin]] of Object.entries(cases)) {
    test(name, () => {
      const { add, takeAll } = filled(1_000, []);
      add(numbered("mx:host", 900), size, originals);
      assert.equal(takeAll().length, begin);
    });
  }
});

describe("past a large message that waits for room", () => {
  const begins = ({ add, takeAll }: ReturnType<typeof filled>, name: string, size: number): string[] => {
    add([name], size);
    return names(takeAll());
  };

  test("others go while it has to wait for another as large, until that one has had its time", () => {
    const site = filled(100, []);
    assert.deepEqual(begins(site, "mx:first", 25 * MIB), ["mx:first"]);
    assert.deepEqual(begins(site, "mx:second", 25 * MIB), []);
    assert.deepEqual(begins(site, "mx:passes", 5 * MIB), ["mx:passes"]);
    site.pass(40 * MINUTE);
    assert.deepEqual(begins(site, "mx:late", 5 * MIB), [], "the turn is the second's");
  });

  test("no other large one goes while it has room beside the first", () => {
    const site = filled(100, []);
    assert.deepEqual(begins(site, "mx:first", 20 * MIB), ["mx:first"]);
    assert.deepEqual(begins(site, "mx:other", 15 * MIB), ["mx:other"]);
    assert.deepEqual(begins(site, "mx:waits", 15 * MIB), []);
    assert.deepEqual(begins(site, "mx:late", 5 * MIB), []);
  });
});

describe("who waits for room and can't use it keeps no other from it:", () => {
  /** A site of six places where 20 and 15 MiB are under way, and 20 MiB for x wait, whose turn it is. */
  const waiting = () => {
    const site = filled(6, []);
    site.add(["mx:first"], 20 * MIB);
    site.add(["mx:second"], 15 * MIB);
    const underWay = site.takeAll();
    site.add(["mx:x"], 20 * MIB);
    assert.deepEqual(site.takeAll(), []);
    const end = (name: string): void => {
      const group = underWay.find(({ destination }) => destination === name);
      assert.ok(group);
      site.backlog.finished(group, true);
    };
    const begin = (...destinations: string[]): void => {
      site.add(destinations);
      underWay.push(...site.takeAll());
    };
    return { ...site, end, begin };
  };
  type Site = ReturnType<typeof waiting>;
  const reasons: Readonly<Record<string, (site: Site) => void>> = {
    "its destination has as many as it may": ({ begin, end }) => {
      begin("mx:x", "mx:x");
      end("mx:first");
      end("mx:second");
    },
    "its destination is slow, and those have their share": ({ begin, end, pass }) => {
      const slow = numbered("mx:slow", 3);
      begin("mx:x", ...slow);
      pass(11_000);
      for (const name of ["mx:x", ...slow]) end(name);
      begin(...slow);
      end("mx:first");
      end("mx:second");
    },
    "it was taken back": ({ backlog }) => assert.equal(backlog.drain("mx:x").length, 1),
  };
  for (const [why, happens] of Object.entries(reasons)) {
    test(why, () => {
      const site = waiting();
      happens(site);
      site.add(["mx:y"], 5 * MIB);
      assert.deepEqual(names(site.takeAll()), ["mx:y"]);
    });
  }
});

test("no large message gives way to those that wait because their destinations are slow", () => {
  const { backlog, add, takeAll, pass } = filled(4, []);
  const slow = numbered("mx:slow", 4);
  for (const name of slow) {
    add([name]);
    const [group] = takeAll();
    assert.ok(group);
    pass(11_000);
    backlog.finished(group, false);
  }
  add(["mx:first", "mx:second"], 18 * MIB);
  takeAll();
  pass(3 * MINUTE);
  add(slow);
  assert.equal(takeAll().length, 2);
  assert.equal(backlog.giveWay(), undefined);
});

describe("of large messages that are late", () => {
  /** What was told to give way when these were under way for so long, and the last of them waits. */
  const told = (ms: number, ...sizes: number[]) => {
    const site = filled(100, []);
    for (const [index, size] of sizes.entries()) site.add([`mx:large${index}`], size * MIB);
    const underWay = site.takeAll();
    assert.equal(underWay.length, sizes.length - 1);
    site.pass(ms);
    assert.deepEqual(site.takeAll(), []);
    return { ...site, underWay, group: site.backlog.giveWay() };
  };

  test("the last one leaves its room to one that is larger than half of all there is", () => {
    const { backlog, takeAll, group } = told(2 * MINUTE, 5, 10, 30);
    assert.equal(group?.destination, "mx:large1");
    backlog.finished(group, false);
    assert.deepEqual(names(takeAll()), ["mx:large2"]);
  });

  test("the first that is left is no first one, when it began beside another that has ended", () => {
    const { backlog, takeAll, pass, group, underWay } = told(MINUTE, 16, 24, 20);
    assert.equal(group, undefined);
    const [first] = underWay;
    assert.ok(first);
    backlog.finished(first, true);
    assert.deepEqual(takeAll(), []);
    assert.equal(backlog.giveWay(), undefined, "in its time");
    pass(MINUTE);
    assert.equal(backlog.giveWay()?.destination, "mx:large1");
  });

  test("the first one is looked at again when it has been late for long", () => {
    const { backlog, takeAll, pass, now, group } = told(5 * MINUTE, 36, 36);
    assert.equal(group, undefined);
    const at = backlog.changesAt();
    assert.equal(at, 5 * MINUTE + (36 * MIB) / 16);
    pass(at - now());
    assert.deepEqual(takeAll(), []);
    assert.equal(backlog.giveWay()?.destination, "mx:large0");
  });
});
