/** How the portal talks to the operator. */
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import type { z } from "zod";
import {
  Accepted,
  AddressView,
  FaultView,
  isOver,
  MAX_LOG,
  type PersonRequest,
  PersonView,
  RequestView,
  SOCKET,
  UsageView,
} from "./protocol.ts";

/** Why there is no answer that could be used: the operator refused, or it can't be asked. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly status: number;
  readonly fault: FaultView;

  constructor(status: number, fault: FaultView, cause?: unknown) {
    super(`operator: ${fault.code}: ${fault.detail}`, { cause });
    this.status = status;
    this.fault = fault;
  }

  /** Whether the same request may succeed later. */
  get isTemporary(): boolean {
    return this.fault.code === "unavailable";
  }
}

export interface OperatorClientOptions {
  readonly socket?: string;
  /** Milliseconds until an answer is there. */
  readonly timeoutMs?: number;
  /** Milliseconds between two events of a request; an update that pulls an image has none for a while. */
  readonly eventTimeoutMs?: number;
}

/** What the portal can ask. Everything throws {@link OperatorError}. */
export interface OperatorClient {
  person(uid: string): Promise<PersonView>;
  /** Unavailable when there is no box that could tell. */
  usage(uid: string): Promise<UsageView>;
  /** Whether the person can have that address. */
  address(uid: string, address: string): Promise<AddressView>;
  /** Tells that a request is about to come, so that it is done sooner. */
  prepare(): Promise<void>;
  /** The id of the request. */
  submit(wanted: PersonRequest): Promise<string>;
  request(id: string): Promise<RequestView>;
  /** The request each time it changes, until it is over. */
  events(id: string, signal?: AbortSignal): AsyncGenerator<RequestView>;
  /** The last day of the person's box. */
  log(uid: string): Promise<string>;
}

interface Call {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** The largest answer but the events: a log. */
const MAX_ANSWER = MAX_LOG + 1_024;

/** A client of the operator behind `socket`. Keeps no connection. */
export function operatorClient(options: OperatorClientOptions = {}): OperatorClient {
  const { socket = SOCKET, timeoutMs = 10_000, eventTimeoutMs = 300_000 } = options;
  const ask = async <T>(schema: z.ZodType<T>, call: Omit<Call, "signal">): Promise<T> => {
    const signal = AbortSignal.timeout(timeoutMs);
    const text = await guarded(async () => readAll(await send(socket, { ...call, signal })));
    return parse(schema, text);
  };
  const part = encodeURIComponent;
  return {
    person: (uid) => ask(PersonView, { path: `/people/${part(uid)}` }),
    usage: (uid) => ask(UsageView, { path: `/people/${part(uid)}/usage` }),
    address: (uid, address) => ask(AddressView, { path: `/people/${part(uid)}/addresses/${part(address)}` }),
    prepare: () =>
      guarded(async () => {
        const signal = AbortSignal.timeout(timeoutMs);
        (await send(socket, { method: "POST", path: "/prepare", signal })).resume();
      }),
    submit: async (body) => (await ask(Accepted, { method: "POST", path: "/requests", body })).id,
    request: (id) => ask(RequestView, { path: `/requests/${part(id)}` }),
    events: (id, signal) => follow({ socket, id, timeoutMs, eventTimeoutMs, signal }),
    log: (uid) =>
      guarded(async () => {
        const signal = AbortSignal.timeout(timeoutMs);
        return readAll(await send(socket, { path: `/people/${part(uid)}/log`, signal }));
      }),
  };
}

interface Following {
  readonly socket: string;
  readonly id: string;
  readonly timeoutMs: number;
  readonly eventTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

async function* follow({ socket, id, timeoutMs, eventTimeoutMs, signal }: Following) {
  const patience = new AbortController();
  const limit = (ms: number) => setTimeout(() => patience.abort(new Error("no event in time")), ms);
  let timer = limit(timeoutMs);
  try {
    const response = await guarded(() =>
      send(socket, {
        path: `/requests/${encodeURIComponent(id)}/events`,
        signal: signal ? AbortSignal.any([signal, patience.signal]) : patience.signal,
      }),
    );
    const lines = createInterface({ input: response })[Symbol.asyncIterator]();
    for (;;) {
      clearTimeout(timer);
      timer = limit(eventTimeoutMs);
      const { done, value } = await guarded(() => lines.next());
      // The lines end without an error also when the connection broke, but then the last event is none of an end.
      if (done) throw unavailable("The operator stopped in the middle of its answer.");
      const view = parse(RequestView, value);
      yield view;
      if (isOver(view)) return;
    }
  } finally {
    clearTimeout(timer);
    patience.abort();
  }
}

/** Sends and waits for the head of the answer; throws what an answer other than 2xx says. */
async function send(socket: string, { method = "GET", path, body, signal }: Call): Promise<IncomingMessage> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers =
      text === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const sent = request({ socketPath: socket, method, path, headers, signal, agent: false }, resolve);
    sent.once("error", reject);
    sent.end(text);
  });
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return response;
  const fault = FaultView.safeParse(readJson(await readAll(response)));
  throw fault.success
    ? new OperatorError(status, fault.data)
    : unavailable(`The operator answered ${status} without a reason.`);
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER) {
      response.destroy();
      throw unavailable(`The operator's answer is longer than ${MAX_ANSWER} bytes.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(readJson(text));
  if (result.success) return result.data;
  throw unavailable("The operator's answer has a form that isn't known here: is it of another version?");
}

/** What the socket throws becomes "unavailable"; the cause is kept for the log. */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OperatorError ? error : unavailable("The operator doesn't answer.", error);
  }
}

function unavailable(detail: string, cause?: unknown): OperatorError {
  return new OperatorError(503, { code: "unavailable", detail }, cause);
}
