/** Hosts that hang, however many names they have and whatever they are sent, must not stop the mail to others. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import type { Result } from "../../../mailserver/courier/types.ts";
import { QueueFull } from "../../../mailserver/queue/queue.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, run, settledDown, temporary } from "./runner-support.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE = 60_000;
/** Of messages that are being delivered: 64 KiB for each place, and 40 MiB. */
const MOST_BYTES = 4 * 100 * 64 * KIB + 40 * MIB;

/** A runner with the places of smtp-out; names below tarpit.test hang, the others take what they get. */
async function site(path: string) {
  const queue = await testQueue(path);
  const underWay = { bytes: 0, most: 0, count: 0, mostCount: 0 };
  const good: { to: string; at: number }[] = [];
  let heard = (): void => {};
  const hang = (signals: readonly AbortSignal[]): Promise<Result[]> => {
    const { promise, resolve } = Promise.withResolvers<Result[]>();
    const end = (): void => resolve([temporary]);
    for (const signal of signals) {
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    }
    world.clock.after(30 * MINUTE, end);
    return promise;
  };
  const world = run(queue, () => delivered, {
    atOnce: 100,
    deliver: async (destination, { body }, ending, giveWay) => {
      underWay.bytes += body.length;
      underWay.count += 1;
      underWay.most = Math.max(underWay.most, underWay.bytes);
      underWay.mostCount = Math.max(underWay.mostCount, underWay.count);
      try {
        if (destination.endsWith("tarpit.test")) {
          return await hang([ending, giveWay]);
        }
        good.push({ to: destination, at: world.clock.elapsed() });
        heard();
        return [delivered];
      } finally {
        underWay.bytes -= body.length;
        underWay.count -= 1;
      }
    },
  });
  let made = 0;
  /** A message of that size for each of the domains. */
  const send = async (domains: readonly string[], size: number): Promise<void> => {
    const created = world.clock.now();
    const body = Buffer.alloc(size, "x");
    for (const domain of domains) {
      made += 1;
      await queue.enqueue(item(`m${String(made).padStart(6, "0")}`, [`a@${domain}`], { body, created }));
    }
    await settledDown(queue);
  };
  /** Runs the clock until so much good mail has left. */
  const until = async (count: number): Promise<void> => {
    while (good.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      heard = resolve;
      await settledDown(queue);
      await settledDown(queue);
      if (good.length >= count) break;
      if (world.clock.armed) await world.clock.jump();
      else await promise;
    }
  };
  const close = async (): Promise<void> => {
    const stopped = world.runner.stop();
    let over = false;
    void stopped.then(() => {
      over = true;
    });
    while (!over) {
      if (world.clock.armed) await world.clock.jump();
      await soon();
    }
    await queue.close();
  };
  return { ...world, queue, send, until, good, underWay, [Symbol.asyncDispose]: close };
}

const names = (prefix: string, count: number, below = "tarpit.test"): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}.${below}`);

interface Attack {
  readonly tarpits: readonly (readonly [count: number, size: number])[];
  readonly size: number;
  readonly good: number;
  /** Milliseconds until all good mail has left. */
  readonly within: number;
  /** What the clock is set by while they hang. */
  readonly set?: number;
}

const attacks: Readonly<Record<string, Attack>> = {
  "a hundred fresh names": { tarpits: [[100, KIB]], size: 5 * KIB, good: 20, within: 11_000 },
  "a hundred fresh names, and the clock is set back": {
    ...{ tarpits: [[100, KIB]], size: 5 * KIB, good: 20, within: 11_000, set: -60 * MINUTE },
  },
  "six hundred fresh names": { tarpits: [[600, KIB]], size: 5 * KIB, good: 20, within: 70_000 },
  "three large messages": {
    tarpits: [
      [2, 25 * MIB],
      [1, 14 * MIB],
    ],
    size: 64 * KIB,
    good: 20,
    within: 0,
  },
  "many large messages and hundreds of fresh names": {
    tarpits: [
      [4, 10 * MIB],
      [50, MIB],
      [450, 60 * KIB],
    ],
    size: 5 * KIB,
    good: 20,
    within: 70_000,
  },
  "large messages, and large ones of others": {
    tarpits: [
      [2, 25 * MIB],
      [20, 3 * MIB],
    ],
    size: 2 * MIB,
    good: 20,
    within: 5 * MINUTE,
  },
};

describe("the mail of others goes on while a tarpit holds", () => {
  for (const [name, { tarpits, size, good, within, set = 0 }] of Object.entries(attacks)) {
    test(name, { timeout: 120_000 }, async () => {
      await using folder = await temporaryFolder();
      await using world = await site(folder.path);
      for (const [index, [count, bytes]] of tarpits.entries()) {
        await world.send(names(`t${index}-`, count), bytes);
      }
      world.clock.set(set);
      await world.send(names("good", good, "others.test"), size);
      await world.until(good);
      const last = Math.max(...world.good.map(({ at }) => at));
      assert.ok(last <= within, `the last left after ${last} ms`);
      assert.ok(world.underWay.most <= MOST_BYTES, `${world.underWay.most} bytes at once`);
      assert.ok(world.underWay.mostCount <= 400, `${world.underWay.mostCount} at once`);
    });
  }
});

test("a long line of messages to many at one host that hangs leaves room for others", {
  timeout: 120_000,
}, async () => {
  await using folder = await temporaryFolder();
  await using world = await site(folder.path);
  const many = Array.from({ length: 100 }, (_, at) => `r${at}@tarpit.test`);
  for (const id of names("many", 24)) await world.queue.enqueue(item(id, many));
  await settledDown(world.queue);
  await world.send(["others.test"], KIB);
  for (let left = 10; left > 0 && world.good.length === 0; left -= 1) await settledDown(world.queue);
  assert.deepEqual(world.good, [{ to: "mx:others.test", at: 0 }]);
});

test("half of the places with slow hosts don't stop the mail to one that was slow once", {
  timeout: 120_000,
}, async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const hosts = [...names("h", 10), "once.others.test"];
  let ms = 12_000;
  let toOnce = 0;
  const { clock, runner } = run(queue, () => delivered, {
    atOnce: 20,
    deliver: async (destination, _delivery, ending) => {
      if (destination === "mx:once.others.test") toOnce += 1;
      const { promise, resolve } = Promise.withResolvers<Result[]>();
      ending.addEventListener("abort", () => resolve([temporary]), { once: true });
      clock.after(ms, () => resolve([delivered]));
      return promise;
    },
  });
  const send = async (id: string): Promise<void> => {
    for (const host of hosts) {
      await queue.enqueue(item(`${id}-${host}`, [`a@${host}`], { created: clock.now() }));
    }
    await settledDown(queue);
    await settledDown(queue);
  };
  await send("first");
  const round = async (): Promise<void> => {
    if (clock.armed) await clock.jump();
    await settledDown(queue);
  };
  for (let left = 100; left > 0 && (await queue.counts()).items > 0; left -= 1) await round();
  ms = 30 * MINUTE;
  await send("second");
  assert.equal(toOnce, 1, "it waits");
  const from = clock.now();
  for (let left = 50; left > 0 && toOnce < 2; left -= 1) await round();
  assert.equal(toOnce, 2, "it has begun");
  assert.ok(clock.now() - from < 11_000, `begun after ${clock.now() - from} ms`);
  ms = 0;
  const stopped = runner.stop();
  while ((await Promise.race([stopped.then(() => "stopped"), soon("runs")])) !== "stopped") {
    if (clock.armed) await clock.jump();
  }
});

/** What can be sent while nothing can be recorded: as many as have a place, and those that were late before. */
const unrecorded: Readonly<Record<string, { ms: number; most: number }>> = {
  "answered at once": { ms: 0, most: 4 },
  "answered when they were late": { ms: 25_000, most: 12 },
};

describe("no more is sent than has a place while the disk has no room for what came of it", () => {
  for (const [name, { ms, most }] of Object.entries(unrecorded)) {
    test(name, { timeout: 120_000 }, async () => {
      await using folder = await temporaryFolder();
      await using queue = await testQueue(folder.path);
      const count = 40;
      let full = true;
      let sent = 0;
      const settle: typeof queue.settle = (what) =>
        full ? Promise.reject(new QueueFull("no room")) : queue.settle(what);
      for (const domain of names("good", count, "others.test")) {
        await queue.enqueue(item(domain, [`a@${domain}`]));
      }
      const { clock, runner } = run({ ...queue, settle }, () => delivered, {
        atOnce: 4,
        deliver: async () => {
          sent += 1;
          const { promise, resolve } = Promise.withResolvers<void>();
          clock.after(ms, resolve);
          await promise;
          return [delivered];
        },
      });
      const round = async (): Promise<void> => {
        await clock.jump();
        await settledDown(queue);
      };
      await settledDown(queue);
      while (clock.now() < 10 * MINUTE) await round();
      assert.equal(sent, most);
      full = false;
      while ((await queue.counts()).items > 0) await round();
      assert.equal(sent, count, "each once");
      await runner.stop();
    });
  }
});
