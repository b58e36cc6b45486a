/** The operator: takes requests, does them one after the other, and tells who watches. */
import { EventEmitter, on } from "node:events";
import type { AddressView } from "../mailserver/operator/protocol.ts";
import {
  isOver,
  type PersonRequest,
  type PersonView,
  type RequestView,
  type UsageView,
} from "../mailserver/operator/protocol.ts";
import type { StackConfig } from "../stacks/schema.ts";
import { addressesIn, type Facts, viewAddress, viewPerson } from "./decide.ts";
import { type Entry, type Journal, newEntry } from "./journal.ts";
import { Pace } from "./pace.ts";
import { rehearse, type StackText } from "./plan.ts";
import { markFailure } from "./progress.ts";
import { faultOf, Refusal } from "./refusal.ts";
import { readConfig } from "./stack-file.ts";
import { apply, dayOf, undo, type WorkDeps } from "./work.ts";

export interface OperatorDeps extends Omit<WorkDeps, "save" | "tell"> {
  readonly journal: Journal;
  newId(): string;
  /** Resolves after that many milliseconds, or rejects when the operator ends. */
  wait(ms: number): Promise<void>;
  /** Aborted when the operator ends; work stops where it is, and the next run goes on with it. */
  readonly ending: AbortSignal;
}

/** A request that was begun this often without an end is taken back. */
const MOST_ATTEMPTS = 3;
const RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 60_000;
const DAY_MS = 86_400_000;
/** Requests that wait; more than one per person can't be. */
const LONGEST_QUEUE = 1_000;

export class Operator {
  private readonly deps: OperatorDeps;
  /** Those that the journal has: a person can ask for as many as they like. */
  private readonly entries = new Map<string, Entry>();
  private readonly queue: Entry[] = [];
  private readonly pace = new Pace();
  private readonly changes = new EventEmitter().setMaxListeners(0);
  private working: Promise<void> | undefined;
  /** What the stack file said when it was read last. */
  private known: { readonly text: string; readonly config: StackConfig } | undefined;
  /** The request that could not be taken back, or noted, yet; nothing else is begun before. */
  private stuck: Entry | undefined;

  constructor(deps: OperatorDeps) {
    this.deps = deps;
  }

  /** Goes on with what the last run left. */
  recover(): void {
    const { journal, log } = this.deps;
    const { entries, damaged } = journal.load();
    for (const file of damaged) log.error("operator.journal.damaged", { file });
    for (const entry of entries) {
      this.entries.set(entry.view.id, entry);
      this.pace.count(entry.view, entry.acceptedAt);
      if (entry.phase === "over") continue;
      if (entry.phase === "applying" && entry.attempts >= MOST_ATTEMPTS) {
        entry.phase = "undoing";
        entry.view.error = {
          code: "undone-after-restart",
          detail: "The operator was stopped in the middle, again and again.",
        };
        markFailure(entry);
        log.error("operator.failed", {
          request: entry.view.id,
          uid: entry.view.uid,
          error: entry.view.error.detail,
        });
      }
      log.info("operator.recovered", { request: entry.view.id, uid: entry.view.uid, phase: entry.phase });
      this.queue.push(entry);
    }
    this.work();
  }

  /** Takes a request; its id. Throws a Refusal. */
  submit(request: PersonRequest): string {
    const facts = this.facts();
    const pending = this.pending();
    if (pending.some(({ view }) => view.uid === request.uid))
      throw new Refusal("busy-with-own-request", "Another request of this person isn't over yet.");
    this.pace.require(request.uid, this.deps.now());
    rehearse(facts, request, facts.file);
    const promised = new Set(pending.flatMap((entry) => addressesIn(entry.request)));
    const taken = addressesIn(request).find((address) => promised.has(address));
    if (taken !== undefined)
      throw new Refusal("address-taken", `${taken} can't be had: somebody just asked for it.`);
    if (this.stuck?.phase === "undoing")
      throw new Refusal("undo-pending", "An update failed and isn't taken back yet. Try again later.");
    if (this.stuck || pending.length >= LONGEST_QUEUE)
      throw new Refusal(
        "unavailable",
        "Other requests are to be noted, or to be done, first. Try again later.",
      );
    const entry = newEntry(this.deps.newId(), request, this.deps.now());
    this.deps.journal.save(entry);
    this.pace.count(entry.view, entry.acceptedAt);
    this.deps.log.info("operator.accepted", { request: entry.view.id, uid: request.uid, kind: request.kind });
    this.entries.set(entry.view.id, entry);
    this.queue.push(entry);
    this.work();
    return entry.view.id;
  }

  /** A request will come soon: it finds Pulumi loaded. Never throws, since nothing hangs on it. */
  prepare(): void {
    if (this.pending().length > 0 || this.deps.ending.aborted) return;
    this.deps.updates
      .prepare()
      .catch((error: unknown) => this.deps.log.warn("operator.unprepared", { error }));
  }

  person(uid: string): PersonView {
    const pending = this.pending().find(({ view }) => view.uid === uid);
    return viewPerson(this.facts(), uid, pending?.view);
  }

  address(uid: string, text: string): AddressView {
    const view = viewAddress(this.facts(), uid, text);
    const promised = this.pending().some(({ request }) =>
      addressesIn(request).includes(text.trim().toLowerCase()),
    );
    return view.free && promised ? { free: false, reason: "taken" } : view;
  }

  request(id: string): RequestView {
    const entry = this.entries.get(id);
    if (!entry) throw new Refusal("unknown-request", "There is no request of that id, or it is long over.");
    return entry.view;
  }

  /** The request now and each time it changes, until it is over. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<RequestView> {
    // Listening begins before the first look, so that nothing is missed in between.
    const changes = on(this.changes, id, { signal });
    const now = structuredClone(this.request(id));
    try {
      yield now;
      if (isOver(now)) return;
      for await (const [view] of changes as AsyncIterable<[RequestView]>) {
        yield view;
        if (isOver(view)) return;
      }
    } finally {
      await changes.return?.();
    }
  }

  /** What the person's box said on the last day. */
  async log(uid: string): Promise<string> {
    if (this.person(uid).state !== "active") return "";
    try {
      return await this.deps.boxes.log(uid, this.deps.now() - DAY_MS);
    } catch (cause) {
      throw new Refusal("unavailable", "The container's log can't be read now.", { cause });
    }
  }

  /** How full the person's mailbox is. */
  async usage(uid: string): Promise<UsageView> {
    if (this.person(uid).state !== "active") throw new Refusal("wrong-state", "There is no mailbox.");
    try {
      return await this.deps.boxes.usage(uid);
    } catch (cause) {
      throw new Refusal("unavailable", "The container doesn't tell how full it is.", { cause });
    }
  }

  /** Resolves when nothing is being done. */
  async idle(): Promise<void> {
    await this.working;
  }

  /** Each page asks for it, and the file seldom changes. */
  private facts(): Facts & { readonly file: StackText } {
    const { now, file: stack } = this.deps;
    const file = { name: stack.name, project: stack.project, text: stack.read() };
    if (this.known?.text !== file.text) this.known = { text: file.text, config: readConfig(file) };
    return { config: this.known.config, today: dayOf(now()), file };
  }

  private pending(): Entry[] {
    return [...this.entries.values()].filter(({ phase }) => phase !== "over");
  }

  private readonly tell = (entry: Entry): void => {
    this.changes.emit(entry.view.id, structuredClone(entry.view));
  };

  private readonly save = (entry: Entry): void => {
    this.deps.journal.save(entry);
    this.tell(entry);
  };

  /** On stable storage when it resolves: what has come of a request may not be lost because the disk is full for a while. */
  private async keep(entry: Entry): Promise<void> {
    for (let pause = RETRY_MS; ; pause = longer(pause)) {
      try {
        this.save(entry);
        break;
      } catch (error) {
        this.deps.log.error("operator.journal.failed", { request: entry.view.id, error });
        this.stuck = entry;
        await this.deps.wait(pause);
      }
    }
    if (entry.phase !== "undoing") this.stuck = undefined;
  }

  private work(): void {
    this.working ??= this.drain().finally(() => {
      this.working = undefined;
      if (this.queue.length > 0 && !this.deps.ending.aborted) this.work();
    });
  }

  private async drain(): Promise<void> {
    for (let entry = this.queue.shift(); entry; entry = this.queue.shift()) {
      try {
        await this.complete(entry);
      } catch (error) {
        // Left in the journal as it is: the next run goes on with it.
        if (this.deps.ending.aborted) return;
        throw error;
      }
      this.forget();
    }
  }

  /** What can't be forgotten now is after the next request. */
  private forget(): void {
    try {
      for (const id of this.deps.journal.prune()) this.entries.delete(id);
    } catch (error) {
      this.deps.log.error("operator.journal.failed", { error });
    }
  }

  private async complete(entry: Entry): Promise<void> {
    const deps = { ...this.deps, save: this.save, tell: this.tell };
    if (entry.phase !== "undoing") {
      entry.phase = "applying";
      entry.attempts += 1;
      entry.view.state = "running";
      await this.keep(entry);
      const state = await apply(entry, deps).catch((error: unknown) => this.fail(entry, error));
      // From here on nothing takes it back.
      if (state !== undefined) return this.finish(entry, state);
      await this.keep(entry);
    }
    await this.takeBack(entry, deps);
  }

  private fail(entry: Entry, error: unknown): undefined {
    this.deps.ending.throwIfAborted();
    entry.view.error = faultOf(error);
    markFailure(entry);
    entry.phase = "undoing";
    this.deps.log.error("operator.failed", { request: entry.view.id, uid: entry.view.uid, error });
  }

  private async takeBack(entry: Entry, deps: WorkDeps): Promise<void> {
    // It has failed when everything is as it was before.
    entry.view.state = "running";
    for (let pause = RETRY_MS; ; pause = longer(pause)) {
      try {
        await undo(entry, deps);
        break;
      } catch (error) {
        this.deps.ending.throwIfAborted();
        this.deps.log.error("operator.undo.failed", { request: entry.view.id, uid: entry.view.uid, error });
        this.stuck = entry;
        await this.keep(entry);
        await this.deps.wait(pause);
      }
    }
    await this.finish(entry, "failed");
  }

  private async finish(entry: Entry, state: RequestView["state"]): Promise<void> {
    entry.phase = "over";
    entry.view.state = state;
    await this.keep(entry);
    if (state === "failed") return;
    const { id, uid, kind } = entry.view;
    const ms = this.deps.now() - entry.acceptedAt;
    this.deps.log.info("operator.done", { request: id, uid, kind, state, ms });
  }
}

const longer = (pause: number): number => Math.min(2 * pause, LONGEST_RETRY_MS);
