import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PairFacts } from "../../../mailserver/certifier/pair.ts";
import { type Decision, decide, pause, type Situation, worse } from "../../../mailserver/certifier/plan.ts";

const DAY = 86_400_000;
const NAMES = ["mx.example.org", "imap.example.org"];
const pair = (change: Partial<PairFacts> = {}): PairFacts => ({
  ...{ names: NAMES, notBefore: 0, notAfter: 90 * DAY, own: false, rightKey: true },
  ...change,
});
const own = pair({ own: true });
const situation = (change: Partial<Situation>): Situation => ({
  ...{ now: DAY, wanted: NAMES, served: pair(), own, servesOwn: false, foreign: false, renewAt: undefined },
  ...{ retryAt: 0, holdUntil: 0 },
  ...change,
});

const CASES: Readonly<Record<string, [Partial<Situation>, Decision]>> = {
  "nothing is there": [{ served: undefined }, { serveOwn: true, order: "first", wakeAt: DAY }],
  "the stack's own is served": [
    { served: own, servesOwn: true },
    { serveOwn: false, order: "first", wakeAt: DAY },
  ],
  "an update renewed the stack's own": [{ served: own }, { serveOwn: true, order: "first", wakeAt: DAY }],
  "the record from before may be remembered yet": [
    { served: own, servesOwn: true, holdUntil: 2 * DAY },
    { serveOwn: false, order: undefined, wakeAt: 2 * DAY },
  ],
  "a good one is served": [{}, { serveOwn: false, order: undefined, wakeAt: 60 * DAY }],
  "two thirds are over": [{ now: 60 * DAY }, { serveOwn: false, order: "renewal", wakeAt: 60 * DAY }],
  "the authority names a time": [
    { renewAt: 30 * DAY },
    { serveOwn: false, order: undefined, wakeAt: 30 * DAY },
  ],
  "the authority names a time that has passed, as before it revokes": [
    { renewAt: 0 },
    { serveOwn: false, order: "renewal", wakeAt: DAY },
  ],
  "the authority names a time that has passed of one that it issued just now": [
    { now: 1, renewAt: 0 },
    { serveOwn: false, order: undefined, wakeAt: DAY },
  ],
  "the authority names a time after its end": [
    { renewAt: 99 * DAY },
    { serveOwn: false, order: undefined, wakeAt: 81 * DAY },
  ],
  "a name is new": [
    { wanted: [...NAMES, "new.example.org"] },
    { serveOwn: false, order: "names", wakeAt: DAY },
  ],
  "a name is new, but the last attempt failed a moment ago": [
    { wanted: [...NAMES, "new.example.org"], retryAt: DAY + 1 },
    { serveOwn: false, order: undefined, wakeAt: DAY + 1 },
  ],
  "another authority is asked now than the one that issued it": [
    { foreign: true },
    { serveOwn: false, order: "authority", wakeAt: DAY },
  ],
  "another authority is asked now, and had enough a moment ago": [
    { foreign: true, retryAt: DAY + 1 },
    { serveOwn: false, order: undefined, wakeAt: DAY + 1 },
  ],
  "another authority is asked now, of which the stack's own is no matter": [
    { foreign: true, served: own, servesOwn: true, holdUntil: 2 * DAY },
    { serveOwn: false, order: undefined, wakeAt: 2 * DAY },
  ],
  "its time is over, and the stack's own is good": [
    { now: 91 * DAY, own: pair({ own: true, notAfter: 99 * DAY }) },
    { serveOwn: true, order: "ended", wakeAt: 91 * DAY },
  ],
  "both have ended: none is better": [
    { now: 91 * DAY },
    { serveOwn: false, order: "ended", wakeAt: 91 * DAY },
  ],
  "the key is another one now, so that no TLSA record fits": [
    { served: pair({ rightKey: false }) },
    { serveOwn: true, order: "key", wakeAt: DAY },
  ],
};

describe("what is to be done when", () => {
  for (const [what, [change, wanted]] of Object.entries(CASES))
    it(what, () => assert.deepEqual(decide(situation(change)), wanted));
});

const WORSE: Readonly<Record<string, [PairFacts | undefined, Partial<Situation>, RegExp | undefined]>> = {
  "as good as what is served": [pair({ notAfter: 91 * DAY }), {}, undefined],
  "no certificate": [undefined, {}, /no certificate/],
  "for another key": [pair({ rightKey: false }), {}, /not for our key/],
  "without a name": [pair({ names: NAMES.slice(1) }), {}, /lacks mx\.example\.org/],
  "from tomorrow on": [pair({ notBefore: 2 * DAY }), {}, /clock/],
  "up to yesterday": [pair({ notAfter: 0 }), {}, /clock/],
  "sooner over than what is served, since the authority issues for shorter times now": [
    pair({ notBefore: 60 * DAY, notAfter: 66 * DAY }),
    { now: 60 * DAY },
    undefined,
  ],
  "sooner over than what the authority asks to have renewed": [
    pair({ notBefore: 12 * DAY, notAfter: 57 * DAY }),
    { now: 12 * DAY, renewAt: 11 * DAY },
    undefined,
  ],
  "an old one, sooner over than what is served": [pair({ notAfter: 30 * DAY }), { now: 25 * DAY }, /old one/],
  "an old one, but for all names": [
    pair({ notAfter: 30 * DAY }),
    { now: 25 * DAY, served: pair({ names: NAMES.slice(1) }) },
    undefined,
  ],
  "an old one, but of the authority that is wanted": [
    pair({ notAfter: 30 * DAY }),
    { now: 25 * DAY, foreign: true },
    undefined,
  ],
  "an old one, but longer than what is served": [pair({ notAfter: 99 * DAY }), { now: 70 * DAY }, undefined],
  "sooner over than the stack's own": [pair({ notAfter: 30 * DAY }), { served: own }, undefined],
};

describe("what speaks against a certificate", () => {
  for (const [what, [next, change, wanted]] of Object.entries(WORSE))
    it(what, () => {
      const found = worse(next, situation(change));
      if (wanted === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", wanted);
    });
});

describe("the pause after a failure", () => {
  const retry = { firstMs: 100, maxMs: 1_000 };
  const cases: [string, Parameters<typeof pause>[0], number, number][] = [
    ["begins with the first", { failures: 1 }, 0.5, 100],
    ["doubles", { failures: 3 }, 0.5, 400],
    ["has an end", { failures: 4_000 }, 0.5, 1_000],
    ["is not the same for all", { failures: 1 }, 0, 75],
    ["is what the authority asks for", { failures: 1, retryAfterMs: 5_000 }, 0, 5_000],
    ["is never shorter than that, for nobody", { failures: 1, retryAfterMs: 5_000 }, 1, 5_500],
    ["is its own where that is longer", { failures: 4, retryAfterMs: 10 }, 0.5, 800],
  ];
  for (const [what, facts, random, wanted] of cases)
    it(what, () => assert.equal(pause(facts, retry, random), wanted));
});
