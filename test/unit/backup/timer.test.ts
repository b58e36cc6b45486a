/** The backup's timer where its host is in trouble. */
import assert from "node:assert/strict";
import { test } from "node:test";
import Docker from "dockerode";
import type { Log, LogFields } from "../../../mailserver/net/log.ts";
import { startTimer } from "../../../operator/backup-timer/timer.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("a run that can't be remembered is told, and is not the last one", { timeout: 20_000 }, async () => {
  const ending = new AbortController();
  const clock = new FakeClock(Date.parse("2026-03-10T12:00:00Z"));
  const failed: LogFields[] = [];
  const log: Log = { debug() {}, info() {}, warn() {}, error: (_, fields = {}) => void failed.push(fields) };
  let runs = 0;
  const timer = startTimer({
    // Nobody listens there: nothing can be saved.
    place: { docker: new Docker({ socketPath: "/nowhere" }), prefix: "p", signal: ending.signal },
    ...{ times: ["02:30"], clock, log },
    memory: {
      read: () => undefined,
      write: () => {
        runs += 1;
        throw new Error("no space left on device");
      },
    },
  });
  await clock.jump();
  assert.equal(runs, 1);
  await clock.jump();
  assert.equal(runs, 2);
  assert.deepEqual(
    failed.filter(({ cause }) => /no space left/.test(String(cause))).map(({ what }) => what),
    ["everything", "everything"],
  );
  ending.abort();
  await timer.close();
});
