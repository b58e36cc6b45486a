import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { QueueEnded, QueueError, QueueFull } from "../../../mailserver/queue/queue.ts";
import { createPersist } from "../../../mailserver/queue/store-result.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("what is asked of a queue that is closed is not asked again", async () => {
  const { signal } = new AbortController();
  const persist = createPersist({ clock: new FakeClock(0), log: silentLog, signal });
  await assert.rejects(
    persist(() => Promise.reject(new QueueEnded("the queue is closed"))),
    QueueEnded,
  );
});

test("a fault that does not pass is given up after five minutes, and a full disk never", async () => {
  const { signal } = new AbortController();
  const clock = new FakeClock(0);
  const persist = createPersist({ clock, log: silentLog, signal });
  let over = false;
  const failing = persist(() => Promise.reject(new QueueError("disk I/O error"))).catch((error: Error) => {
    over = true;
    return error.message;
  });
  while (!over) await Promise.race([failing, clock.jump()]);
  assert.equal(await failing, "disk I/O error");
  assert.equal(clock.now(), 295_000);
  let left = 200;
  const full = persist(async () => {
    left -= 1;
    if (left > 0) throw new QueueFull("the disk is full");
    return "stored";
  });
  while (left > 0) await Promise.race([full, clock.jump()]);
  assert.equal(await full, "stored");
});

test("a pause leaves nothing behind on the signal that ends all of them", async () => {
  const abort = new AbortController();
  const clock = new FakeClock(0);
  const persist = createPersist({ clock, log: silentLog, signal: abort.signal });
  let left = 3;
  const stored = persist(async () => {
    left -= 1;
    if (left > 0) throw new QueueFull("the disk is full");
  });
  while (left > 0) await Promise.race([stored, clock.jump()]);
  await stored;
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
});
