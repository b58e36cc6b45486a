import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import { Turns } from "../../../mailserver/net/turns.ts";

/** What was let in, in order, and how to end each turn. */
function stage(first: number) {
  let most = first;
  const turns = new Turns(() => most);
  const entered: string[] = [];
  const ends = new Map<string, () => void>();
  const enter = (who: string, name = "peer", signal?: AbortSignal) =>
    turns.take(name, signal).then((end) => {
      if (end === undefined) return;
      entered.push(who);
      ends.set(who, end);
    });
  const change = (to: number) => {
    most = to;
  };
  return { turns, entered, enter, change, end: (who: string) => ends.get(who)?.() };
}

test("one more than may be waits, and the first to come is the first to follow", async () => {
  const { turns, entered, enter, end } = stage(2);
  for (const who of ["a", "b", "c", "d"]) void enter(who);
  await soon();
  assert.deepEqual(entered, ["a", "b"]);
  end("b");
  await soon();
  assert.deepEqual(entered, ["a", "b", "c"]);
  for (const who of ["a", "c"]) end(who);
  await soon();
  end("d");
  assert.deepEqual(entered, ["a", "b", "c", "d"]);
  assert.equal(turns.active("peer"), 0);
});

test("others of another name do not wait", async () => {
  const { entered, enter } = stage(1);
  void enter("a");
  await enter("b", "another");
  assert.deepEqual(entered, ["a", "b"]);
});

test("who gives up while waiting loses the place and takes none", async () => {
  const { turns, entered, enter, end } = stage(1);
  const abort = new AbortController();
  void enter("a");
  const gone = enter("b", "peer", abort.signal);
  void enter("c");
  abort.abort();
  await gone;
  assert.equal(await turns.take("another", abort.signal), undefined);
  end("a");
  await soon();
  assert.deepEqual(entered, ["a", "c"]);
});

test("when more may be at once, as many of those that wait come in with the next end", async () => {
  const { entered, enter, change, end } = stage(1);
  for (const who of ["a", "b", "c", "d", "e"]) void enter(who);
  await soon();
  change(3);
  end("a");
  await soon();
  assert.deepEqual(entered, ["a", "b", "c", "d"]);
});

test("when fewer may be at once, nobody comes in until so many have ended", async () => {
  const { entered, enter, change, end } = stage(3);
  for (const who of ["a", "b", "c", "d"]) void enter(who);
  await soon();
  change(1);
  for (const who of ["a", "b"]) end(who);
  await soon();
  assert.deepEqual(entered, ["a", "b", "c"]);
  end("c");
  await soon();
  assert.deepEqual(entered, ["a", "b", "c", "d"]);
});

test("no more wait than may, and who gives up makes room for another", async () => {
  const turns = new Turns(() => 1, 2);
  const end = await turns.take("peer");
  const abort = new AbortController();
  const waiting = [turns.take("peer", abort.signal), turns.take("peer")];
  assert.equal(await turns.take("peer"), undefined);
  assert.notEqual(await turns.take("another"), undefined);
  abort.abort();
  waiting.push(turns.take("peer"));
  assert.equal(await turns.take("peer"), undefined);
  end?.();
  const [gone, next] = await Promise.all(waiting.slice(0, 2));
  assert.equal(gone, undefined);
  next?.();
  assert.notEqual(await waiting[2], undefined);
});
