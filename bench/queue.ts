/**
 * `npm run bench -- queue`: a queue of a million items beside one of a thousand: its start, its memory, and what each
 * step of the work costs. One in ten waits for a destination that takes none; the others go to a hundred each.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { NewItem } from "../mailserver/queue/item.ts";
import { Store } from "../mailserver/queue/store.ts";
import { DUE_AT, itemOf } from "./support/queue-items.ts";
import { fillOld } from "./support/queue-old.ts";
import type { Probed } from "./support/queue-probe.ts";
import type { Updated } from "./support/queue-update.ts";
import { atMost, type Row, ratioAtMost, report } from "./support/result.ts";

const FEW = 1_000;
const MANY = 1_000_000;
const AT_ONCE = 10_000;
const UPDATE = new URL("support/queue-update.ts", import.meta.url).pathname;
const PROBE = new URL("support/queue-probe.ts", import.meta.url).pathname;

/** Ids as the daemons make them: in order, so that rows lie as they do there. */
function idOf(number: number): string {
  return `${number.toString(16).padStart(13, "0")}00000000`;
}

function fill(dir: string, count: number): void {
  const store = new Store({ dir });
  for (let start = 0; start < count; start += AT_ONCE) {
    store.transaction(() => {
      for (let number = start; number < Math.min(count, start + AT_ONCE); number++) {
        store.enqueue(itemOf({ id: idOf(number), number, at: DUE_AT }));
      }
    });
  }
  store.close();
}

async function probe(count: number): Promise<Probed> {
  const dir = await mkdtemp(join(tmpdir(), "semail-b-"));
  try {
    fill(dir, count);
    const { stdout } = await promisify(execFile)(process.execPath, [PROBE, dir]);
    return JSON.parse(stdout) as Probed;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Opens a queue of the first version for the first time with this one, which brings it up to date. */
async function update(count: number): Promise<Updated> {
  const dir = await mkdtemp(join(tmpdir(), "semail-b-"));
  try {
    fillOld(dir, manyItems(count), AT_ONCE);
    const { stdout } = await promisify(execFile)(process.execPath, [UPDATE, dir]);
    return JSON.parse(stdout) as Updated;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function* manyItems(count: number): Generator<NewItem> {
  for (let number = 0; number < count; number++) yield itemOf({ id: idOf(number), number, at: DUE_AT });
}

const updated = await update(MANY);
const few = await probe(FEW);
const many = await probe(MANY);

const STEPS = {
  enqueue: "queueing one message",
  claimFresh: "claiming ten new ones, the others deferred",
  claimDue: "claiming ten, all due",
  claimPastDead: "claiming ten, all due, a tenth for a destination that is busy",
  nextDue: "finding when the next is due",
  counts: "counting",
} as const;
const rows: Row[] = Object.entries(STEPS).map(([step, what]) => {
  const key = step as keyof typeof STEPS;
  const metric = `${what}, of ${MANY} items`;
  return ratioAtMost({ metric, unit: "µs", ours: many[key], peer: `of ${FEW}`, theirs: few[key] }, 2);
});
await report("queue", [
  atMost(`start with ${MANY} items`, "s", many.startMs / 1_000, 10),
  atMost(`memory after the start with ${MANY} items`, "MiB", many.startMiB, 300),
  atMost(`start with ${MANY} items of the first version`, "s", updated.startMs / 1_000, 10),
  atMost(`memory while they are brought up to date`, "MiB", updated.startMiB, 300),
  ...rows,
]);
