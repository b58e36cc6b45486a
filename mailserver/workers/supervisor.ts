/**
 * The primary's side: keeps a fixed number of workers running, counts clients for all of them, gives them turns at the
 * boxes, and notices one that hangs. How a process is made is given, so that all of this can be tested without one.
 */
import type { Snapshot } from "../metrics/exposition.ts";
import type { Log } from "../net/log.ts";
import type { Timing } from "../net/timing.ts";
import type { ClientCounts, Entry } from "../policy/client-counts.ts";
import { type FromPrimary, type FromWorker, TURNS } from "./messages.ts";
import { TurnLines } from "./turn-lines.ts";

/** A running worker process. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** Does nothing once the process has ended. */
  send(message: FromPrimary): void;
  onMessage(listener: (message: FromWorker) => void): void;
  /** Called once, with exit code or signal. */
  onExit(listener: (how: number | string) => void): void;
  kill(): void;
}

export interface SupervisorOptions {
  readonly workers: number;
  /** Starts the worker of a slot, from 1. */
  readonly fork: (slot: number) => WorkerProcess;
  readonly counts: ClientCounts;
  readonly timing: Timing;
  readonly log: Log;
  /** How long workers may take to end after `stop`, in milliseconds. */
  readonly graceMs: number;
}

/** Pauses before a worker that ended is replaced: 100 ms, doubling to 10 s while it keeps ending soon. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A worker that served for this long had a good start: the next pause is the first again. */
const STEADY_MS = 60_000;
const PING_MS = 5_000;
/** Without a sign of life for this long the daemon is not healthy; for the second, the worker is killed. */
const SILENT_MS = 15_000;
const HUNG_MS = 60_000;
/** The same for one that doesn't serve yet: it says nothing while it reads its program, which a slow machine does slowly. */
const STARTING_MS = 300_000;
/** Metrics don't wait longer for a worker. */
const MEASURE_MS = 2_000;

interface Slot {
  readonly number: number;
  process: WorkerProcess | undefined;
  ready: boolean;
  /** When it last gave a sign of life. */
  heard: number;
  started: number;
  pauseMs: number;
  /** Clients that it let in, and how often: they leave with it. */
  readonly inside: Map<string, number>;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[];
  readonly #firstReady = Promise.withResolvers<number>();
  readonly #stopped = Promise.withResolvers<void>();
  #everReady = false;
  #stopping = false;
  #cancelPing = (): void => {};
  readonly #measured = new Map<number, (metrics: Snapshot) => void>();
  #measurements = 0;
  readonly #turns: TurnLines<WorkerProcess>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#turns = new TurnLines({
      timing: options.timing,
      most: TURNS,
      give: (process, host) => process.send({ kind: "turn", host }),
    });
    this.#slots = Array.from({ length: options.workers }, (_, index) => ({
      number: index + 1,
      process: undefined,
      ready: false,
      heard: 0,
      started: 0,
      pauseMs: FIRST_PAUSE_MS,
      inside: new Map(),
    }));
  }

  /** Starts all; gives the port when all serve, and rejects when one can't start at all. */
  start(): Promise<number> {
    for (const slot of this.#slots) this.#fork(slot);
    this.#ping();
    return this.#firstReady.promise;
  }

  /** Whether every worker serves and has been heard of lately. */
  healthy(): boolean {
    const now = this.#options.timing.now();
    return !this.#stopping && this.#slots.every(({ ready, heard }) => ready && now - heard < SILENT_MS);
  }

  /** Workers that serve. */
  state(): { readonly serving: number } {
    return { serving: this.#slots.filter(({ ready }) => ready).length };
  }

  /** What the workers counted; one that does not answer in time is left out. */
  async metrics(): Promise<Snapshot[]> {
    const asked = this.#slots.flatMap(({ ready, process }) => (ready && process ? [process] : []));
    const answers = await Promise.all(asked.map((process) => this.#measure(process)));
    return answers.filter((answer) => answer !== undefined);
  }

  #measure(process: WorkerProcess): Promise<Snapshot | undefined> {
    const number = this.#measurements++;
    return new Promise((resolve) => {
      const over = (metrics?: Snapshot): void => {
        cancel();
        this.#measured.delete(number);
        resolve(metrics);
      };
      const cancel = this.#options.timing.after(MEASURE_MS, over);
      this.#measured.set(number, over);
      process.send({ kind: "measure", number });
    });
  }

  /** Lets the workers finish what they are at; kills those that take longer than the grace. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelPing();
    for (const { process } of this.#slots) process?.send({ kind: "stop" });
    this.#settleStop();
    const cancel = this.#options.timing.after(this.#options.graceMs, () => {
      for (const { process } of this.#slots) process?.kill();
    });
    await this.#stopped.promise;
    cancel();
  }

  #fork(slot: Slot): void {
    const { fork, timing } = this.#options;
    const process = fork(slot.number);
    slot.process = process;
    slot.started = timing.now();
    slot.heard = slot.started;
    process.onMessage((message) => {
      slot.heard = timing.now();
      void this.#hear(slot, process, message);
    });
    process.onExit((how) => this.#ended(slot, how));
  }

  async #hear(slot: Slot, process: WorkerProcess, message: FromWorker): Promise<void> {
    const { counts } = this.#options;
    // What a process said before it ended may come after that, and was seen to by then; only a client that it let in was not.
    if (slot.process !== process && message.kind !== "enter") return;
    switch (message.kind) {
      case "ready":
        return this.#ready(slot, message.port);
      case "failed":
        return this.#failed(message.reason);
      case "alive":
        return;
      case "metrics":
        return this.#measured.get(message.number)?.(message.metrics);
      case "boxBack":
        for (const other of this.#slots) if (other !== slot) other.process?.send(message);
        return;
      case "turn":
        return this.#turns.ask(process, message.host);
      case "turnOver":
        return this.#turns.over(process, message.host);
      case "leave":
        return this.#leave(slot, message.client);
      case "error":
        return counts.error(message.client);
      case "enter": {
        const value = await counts.enter(message.client);
        if (value === "welcome") this.#enter(slot, process, message.client);
        return this.#answer(process, message.number, value);
      }
      case "recipient":
        return this.#answer(process, message.number, await counts.recipient(message.client));
    }
  }

  #answer(process: WorkerProcess, number: number, value: Entry | boolean): void {
    process.send({ kind: "answer", number, value });
  }

  #enter(slot: Slot, process: WorkerProcess, client: string): void {
    // The worker ended while its question was on the way.
    if (slot.process !== process) this.#options.counts.leave(client);
    else slot.inside.set(client, (slot.inside.get(client) ?? 0) + 1);
  }

  #leave({ inside }: Slot, client: string): void {
    const left = (inside.get(client) ?? 0) - 1;
    if (left > 0) inside.set(client, left);
    else inside.delete(client);
    this.#options.counts.leave(client);
  }

  #ready(slot: Slot, port: number): void {
    slot.ready = true;
    this.#options.log.info("worker.started", { worker: slot.number, pid: slot.process?.pid });
    if (this.#everReady || !this.#slots.every(({ ready }) => ready)) return;
    this.#everReady = true;
    this.#firstReady.resolve(port);
  }

  /** What hinders the first start hinders every other: no second try. */
  #failed(reason: string): void {
    if (!this.#everReady) this.#firstReady.reject(new Error(reason));
  }

  #ended(slot: Slot, how: number | string): void {
    const { counts } = this.#options;
    if (slot.process !== undefined) this.#turns.leave(slot.process);
    slot.process = undefined;
    slot.ready = false;
    for (const [client, times] of slot.inside) for (let i = 0; i < times; i += 1) counts.leave(client);
    slot.inside.clear();
    if (this.#stopping) this.#settleStop();
    else if (!this.#everReady) this.#failed(`worker ${slot.number} ended before it served (${how})`);
    else this.#replace(slot, how);
  }

  #replace(slot: Slot, how: number | string): void {
    const { timing, log } = this.#options;
    if (timing.now() - slot.started >= STEADY_MS) slot.pauseMs = FIRST_PAUSE_MS;
    log.error("worker.ended", { worker: slot.number, how, pauseMs: slot.pauseMs });
    timing.after(slot.pauseMs, () => {
      if (!this.#stopping) this.#fork(slot);
    });
    slot.pauseMs = Math.min(slot.pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #settleStop(): void {
    if (this.#slots.every(({ process }) => process === undefined)) this.#stopped.resolve();
  }

  #ping(): void {
    const { timing, log } = this.#options;
    this.#cancelPing = timing.after(PING_MS, () => {
      for (const { process, number, heard, ready } of this.#slots) {
        if (timing.now() - heard >= (ready ? HUNG_MS : STARTING_MS)) {
          log.error("worker.hung", { worker: number });
          process?.kill();
        } else process?.send({ kind: "ping" });
      }
      this.#ping();
    });
  }
}
