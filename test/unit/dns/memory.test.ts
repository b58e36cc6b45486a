import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { DnsMessage } from "../../../mailserver/dns/exchange.ts";
import { createMemory } from "../../../mailserver/dns/memory.ts";

const message = (bytes: number, ttl = 60): DnsMessage => ({
  ...{ id: 1, type: "response", rcode: "NOERROR", flag_aa: false, flag_tc: false, flag_ad: false },
  ...{ questions: [], answers: [{ name: "x", type: "A", data: "192.0.2.1", ttl }], authorities: [], bytes },
});

/** A memory, and whether it has to ask for a key. */
function site() {
  let now = 0;
  const remember = createMemory(() => now);
  async function asks(key: string | number, answer = message(100)): Promise<boolean> {
    let asked = false;
    await remember(String(key), async () => {
      asked = true;
      return answer;
    });
    return asked;
  }
  const pass = (ms: number): void => {
    now += ms;
  };
  return { asks, pass };
}

describe("the oldest answers are forgotten first when there are", () => {
  for (const { what, count, bytes } of [
    { what: "more than 5,000", count: 5_000, bytes: 100 },
    { what: "more than 8 MiB of them", count: 64, bytes: 131_072 },
  ]) {
    test(what, async () => {
      const { asks } = site();
      for (let key = 0; key < count; key += 1) await asks(key, message(bytes));
      assert.equal(await asks(0), false);
      await asks("one more", message(bytes));
      assert.deepEqual([await asks(1), await asks(2), await asks("one more")], [false, false, false]);
      assert.equal(await asks(0), true);
    });
  }
});

test("what is asked again counts once", async () => {
  const { asks, pass } = site();
  for (let time = 0; time < 1_000; time += 1) {
    pass(1_000);
    assert.equal(await asks("often", message(131_072, 1)), true);
  }
  for (let key = 0; key < 63; key += 1) await asks(key, message(131_072));
  assert.equal(await asks(0), false);
});

test("an answer that is over is held no longer, even if nobody asks for it again", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const { asks, pass } = site();
  const held = await (async () => {
    const answer = message(100);
    await asks("once", answer);
    return new WeakRef(answer);
  })();
  const isThere = async (): Promise<boolean> => {
    await turn();
    collect();
    return held.deref() !== undefined;
  };
  assert.equal(await isThere(), true);
  pass(10_000);
  await asks("another");
  assert.equal(await isThere(), false);
});
