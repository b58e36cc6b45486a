import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TurnLines } from "../../../mailserver/workers/turn-lines.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** What happens, and which turns are given by it, and whether somebody's time runs then. */
type Step = readonly [event: string, given: string, watch?: "watched"];

const CASES: Readonly<Record<string, readonly Step[]>> = {
  "is the first one's until they end it": [
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["one ends alice", "two alice"],
    ["two ends alice", ""],
    ["three asks alice", "three alice"],
  ],
  "is given for each box by itself": [
    ["one asks alice", "one alice"],
    ["two asks bob", "two bob"],
    ["one asks bob", "", "watched"],
    ["two ends bob", "one bob"],
  ],
  "goes to who waits before who comes again": [
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["three asks alice", "", "watched"],
    ["one ends alice", "two alice", "watched"],
    ["one asks alice", "", "watched"],
    ["two ends alice", "three alice", "watched"],
    ["three ends alice", "one alice"],
  ],
  "passes on after a second, and is no more its slow holder's to end": [
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["three asks alice", "", "watched"],
    ["a second passes", "two alice", "watched"],
    ["one ends alice", "", "watched"],
    ["two ends alice", "three alice"],
  ],
  "passes on after a second with each": [
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["three asks alice", "", "watched"],
    ["a second passes", "two alice", "watched"],
    ["a second passes", "three alice"],
    ["one asks alice", "", "watched"],
    ["three ends alice", "one alice"],
  ],
  "that nobody has is not a slow one's to end": [
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["a second passes", "two alice"],
    ["two ends alice", ""],
    ["one ends alice", ""],
    ["two asks alice", "two alice"],
    ["one ends alice", ""],
    ["three asks alice", "", "watched"],
  ],
  "goes on when its holder's process ends": [
    ["one asks alice", "one alice"],
    ["one asks bob", "one bob"],
    ["one asks carol", "one carol"],
    ["two asks alice", "", "watched"],
    ["three asks alice", "", "watched"],
    ["three asks bob", "", "watched"],
    ["one leaves", "two alice, three bob", "watched"],
    ["two asks carol", "two carol", "watched"],
    ["two leaves", "three alice"],
  ],
  "does not come to a process that ended": [
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["three asks alice", "", "watched"],
    ["two leaves", "", "watched"],
    ["one ends alice", "three alice"],
    ["one asks alice", "", "watched"],
    ["one leaves", ""],
    ["two asks alice", "", "watched"],
    ["three ends alice", "two alice"],
  ],
};

/** The same where two may have a turn at a time. */
const PAIRS: Readonly<Record<string, readonly Step[]>> = {
  "is for two at a time": [
    ["one asks alice", "one alice"],
    ["two asks alice", "two alice"],
    ["three asks alice", "", "watched"],
    ["four asks alice", "", "watched"],
    ["two ends alice", "three alice", "watched"],
    ["one ends alice", "four alice"],
    ["three ends alice", ""],
    ["one asks alice", "one alice"],
    ["two asks alice", "", "watched"],
    ["four ends alice", "two alice"],
    ["one ends alice", ""],
    ["two ends alice", ""],
    ["two asks alice", "two alice"],
  ],
  "passes on after a second from who has had it for the longest": [
    ["one asks alice", "one alice"],
    ["two asks alice", "two alice"],
    ["three asks alice", "", "watched"],
    ["four asks alice", "", "watched"],
    ["a second passes", "three alice", "watched"],
    ["one ends alice", "", "watched"],
    ["a second passes", "four alice"],
    ["two ends alice", ""],
    ["one asks alice", "", "watched"],
    ["three ends alice", "one alice"],
  ],
  "of a process that ended is another's": [
    ["one asks alice", "one alice"],
    ["two asks alice", "two alice"],
    ["three asks alice", "", "watched"],
    ["two leaves", "three alice"],
    ["three leaves", ""],
    ["four asks alice", "four alice"],
    ["one leaves", ""],
    ["four leaves", ""],
    ["two asks alice", "two alice"],
  ],
};

async function happen(event: string, lines: TurnLines<string>, clock: FakeClock): Promise<void> {
  const [worker = "", verb, host = ""] = event.split(" ");
  const began = clock.now();
  if (verb === "asks") lines.ask(worker, host);
  else if (verb === "ends") lines.over(worker, host);
  else if (verb === "leaves") lines.leave(worker);
  else assert.equal((await clock.jump()) - began, 1_000);
}

describe("a turn", () => {
  const all = [CASES, PAIRS].flatMap((cases, index) =>
    Object.entries(cases).map(([name, steps]) => ({ name, steps, most: index + 1 })),
  );
  for (const { name, steps, most } of all) {
    test(name, async () => {
      const clock = new FakeClock(0);
      let given: string[] = [];
      const lines = new TurnLines<string>({
        timing: clock,
        most,
        give: (worker, host) => void given.push(`${worker} ${host}`),
      });
      for (const [event, want, watch] of steps) {
        given = [];
        await happen(event, lines, clock);
        assert.equal(given.join(", "), want, event);
        assert.equal(clock.armed, watch === "watched", `${event}: the time of a holder`);
      }
    });
  }

  test("is its holder's for a second from when somebody waits, whoever comes after them", async () => {
    const clock = new FakeClock(0);
    const given: string[] = [];
    const give = (worker: string): void => void given.push(worker);
    const lines = new TurnLines<string>({ timing: clock, most: 1, give });
    lines.ask("one", "alice");
    clock.pass(5_000);
    lines.ask("two", "alice");
    clock.pass(900);
    lines.ask("three", "alice");
    assert.deepEqual(given, ["one"]);
    assert.equal(await clock.jump(), 6_000);
    assert.deepEqual(given, ["one", "two"]);
  });
});
