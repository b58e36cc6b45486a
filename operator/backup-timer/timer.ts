/** Saves everybody's mail and the directory when it is time, one after the other; what fails is told and holds up no other. */
import type { Log } from "../../mailserver/net/log.ts";
import type { Clock } from "../../mailserver/queue/clock.ts";
import { saveBox } from "../../tools/bootstrap/backup/box.ts";
import { directoryMade, saveDirectory } from "../../tools/bootstrap/backup/directory.ts";
import type { JobEvent } from "../../tools/bootstrap/backup/events.ts";
import { mailVolumes, type Place } from "../../tools/bootstrap/backup/job.ts";
import { Fault, messageOf } from "../../tools/bootstrap/fault.ts";
import { EVERYTHING, nextRun, type Run, toSave } from "./schedule.ts";

export interface TimerArgs {
  /** Times of day, UTC: `02:30`. */
  readonly times: readonly string[];
  /** Its signal ends what is going on. */
  readonly place: Place;
  /** The last run, over restarts. */
  readonly memory: { read(): Run | undefined; write(run: Run): void };
  readonly clock: Clock;
  readonly log: Log;
}

export interface BackupTimer {
  /** Settles when nothing is going on any more. */
  close(): Promise<void>;
}

/** A name that no mailbox has. */
const DIRECTORY = "the directory";
/** One mailbox, in which somebody may do what they can to hold up all others. */
const LONGEST_MS = 6 * 60 * 60_000;
/** The clock of a host may be put forward; and no timer runs for long. */
const LOOK_MS = 10 * 60_000;

export function startTimer({ times, place, memory, clock, log }: TimerArgs): BackupTimer {
  let cancel = (): void => {};
  let running = Promise.resolve();
  const wait = (): void => {
    const now = clock.now();
    const { at, retryOf } = nextRun(times, memory.read(), now);
    const left = at - now;
    if (left <= 0) running = run(retryOf).catch(goOn);
    else cancel = clock.after(Math.min(left, LOOK_MS), wait);
  };
  const run = async (retryOf: Run | undefined): Promise<void> => {
    const startedAt = retryOf?.startedAt ?? clock.now();
    const retries = retryOf ? retryOf.retries + 1 : 0;
    const failed = await saveAll(place, log, retryOf);
    if (place.signal.aborted) return;
    const endedAt = clock.now();
    const savedAt = failed.length === 0 ? endedAt : memory.read()?.savedAt;
    memory.write({ startedAt, endedAt, failed, retries, ...(savedAt === undefined ? {} : { savedAt }) });
    tell();
    wait();
  };
  /** A run that can't be remembered, as on a full disk, is told and not the last one. */
  const goOn = (error: unknown): void => {
    const remedy = "See whether the host's disk has room; it is tried again in ten minutes.";
    log.error("backup.failed", { what: EVERYTHING, cause: messageOf(error), remedy });
    if (!place.signal.aborted) cancel = clock.after(LOOK_MS, wait);
  };
  const tell = (): void => {
    const last = memory.read();
    log.info("backup.waiting", {
      next: iso(nextRun(times, last, clock.now()).at),
      savedAt: last?.savedAt === undefined ? undefined : iso(last.savedAt),
      failed: last?.failed ?? [],
    });
  };
  tell();
  wait();
  return {
    close: async () => {
      cancel();
      await running;
    },
  };
}

const iso = (time: number): string => new Date(time).toISOString();

/** Answers what could not be saved. */
async function saveAll(place: Place, log: Log, retryOf: Run | undefined): Promise<string[]> {
  const failed: string[] = [];
  const save = async (what: string, work: (onEvent: (event: JobEvent) => void) => Promise<void>) => {
    if (place.signal.aborted) return;
    try {
      await work((event) => {
        if (event.kind !== "saved") return;
        const { id: snapshot, messages, entries, bytes, addedBytes } = event;
        log.info("backup.saved", { what, snapshot, messages, entries, bytes, addedBytes });
      });
    } catch (error) {
      if (place.signal.aborted) return;
      const remedy = error instanceof Fault ? error.remedy : "See whether the engine runs.";
      log.error("backup.failed", { what, cause: messageOf(error), remedy });
      failed.push(what);
    }
  };
  let boxes: string[] = [];
  await save(EVERYTHING, async () => {
    boxes = await mailVolumes(place);
  });
  // A directory that can't be asked is told of below, when it is saved.
  const made = await directoryMade(place).catch(() => undefined);
  const saveOne = (name: string, onEvent: (event: JobEvent) => void): Promise<void> => {
    if (name === DIRECTORY) return saveDirectory(place, { made, onEvent });
    const signal = AbortSignal.any([place.signal, AbortSignal.timeout(LONGEST_MS)]);
    return saveBox({ ...place, signal }, { id: name, made, onEvent });
  };
  for (const name of toSave([...boxes, DIRECTORY], retryOf))
    await save(name, (onEvent) => saveOne(name, onEvent));
  return failed;
}
