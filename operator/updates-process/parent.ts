/** Updates as a process of their own makes them (`main.ts`), which is there only while there are some. */
import { type ChildProcess, fork } from "node:child_process";
import { Refusal } from "../refusal.ts";
import type { Progress, StackUpdates } from "../updates.ts";
import type { Answer, Call } from "./messages.ts";

export interface UpdatesProcessOptions {
  /** The process's program. */
  readonly entry: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the operator ends: what runs is interrupted, and its caller waits until that is over. */
  readonly ending: AbortSignal;
  /** How long the process waits for another update; milliseconds. */
  readonly idleMs: number;
  /** How long it waits for the update that it was made ready for. */
  readonly preparedMs: number;
}

interface Waiting {
  readonly onProgress: (progress: Progress) => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

type Wish = Call extends infer Each ? (Each extends unknown ? Omit<Each, "id"> : never) : never;

export function updatesProcess(options: UpdatesProcessOptions): StackUpdates {
  const { ending, idleMs, preparedMs } = options;
  let calls = 0;
  let worker: Worker | undefined;
  let timer: NodeJS.Timeout | undefined;
  const letGo = (): void => {
    clearTimeout(timer);
    worker?.letGo();
    worker = undefined;
  };
  ending.addEventListener("abort", letGo, { once: true });
  const call = async (wish: Wish, onProgress: Waiting["onProgress"] = () => undefined): Promise<void> => {
    ending.throwIfAborted();
    clearTimeout(timer);
    calls += 1;
    if (!worker?.alive) worker = new Worker(options);
    try {
      await worker.call(wish, onProgress);
    } finally {
      calls -= 1;
      clearTimeout(timer);
      const patience = wish.kind === "prepare" ? preparedMs : idleMs;
      if (calls === 0) timer = setTimeout(letGo, patience).unref();
    }
  };
  return {
    prepare: () => call({ kind: "prepare" }),
    update: (text, { uid, entries }, onProgress) =>
      call({ kind: "update", text, person: { uid, entries: [...entries] } }, onProgress),
    unprotect: (name) => call({ kind: "unprotect", name }),
  };
}

/** One life of the process. */
class Worker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #over = false;

  constructor({ entry, env }: Pick<UpdatesProcessOptions, "entry" | "env">) {
    this.#child = fork(entry, {
      env,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child.on("message", (answer: Answer) => this.#hear(answer));
    this.#child.once("error", (cause) =>
      this.#fail(new Error("the updates' process can't be had", { cause })),
    );
    this.#child.once("exit", (code, signal) =>
      this.#fail(new Error(`the updates' process ended: ${signal ?? code}`)),
    );
  }

  get alive(): boolean {
    return this.#child.connected && !this.#over;
  }

  call(wish: Wish, onProgress: Waiting["onProgress"]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const id = ++this.#calls;
    this.#waiting.set(id, { onProgress, resolve, reject });
    this.#child.send({ ...wish, id } as Call, (error) => {
      if (error) this.#fail(error);
    });
    return promise;
  }

  letGo(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  #hear(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if (answer.kind === "progress") {
      waiting?.onProgress(answer.progress);
      return;
    }
    this.#waiting.delete(answer.id);
    if (answer.kind === "done") waiting?.resolve();
    else waiting?.reject(errorOf(answer));
  }

  #fail(error: Error): void {
    this.#over = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function errorOf({ fault, message }: Extract<Answer, { kind: "failed" }>): Error {
  return fault ? new Refusal(fault.code, fault.detail) : new Error(message);
}
