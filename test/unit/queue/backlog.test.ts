import assert from "node:assert/strict";
import { test } from "node:test";
import { Backlog, type Group } from "../../../mailserver/queue/backlog.ts";
import type { DueItem } from "../../../mailserver/queue/item.ts";

/** An item of one recipient for each destination. */
function due(id: string, destinations: readonly string[]): DueItem {
  const recipients = destinations.map((destination, seq) => ({ seq, destination }));
  return { id, size: 1_000, recipients } as unknown as DueItem;
}

function filled(atOnce: number, destinations: readonly string[]) {
  let now = 0;
  const backlog = new Backlog({ atOnce, now: () => now });
  const add = (names: readonly string[]) => {
    for (const name of names) backlog.add(due(`${name}-${now}`, [name]));
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
  return { backlog, add, takeAll, pass };
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
