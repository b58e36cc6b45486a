/**
 * The few questions that the operator has for the engine, over its socket. dockerode, which the updates' process uses,
 * brings SSH and gRPC along: half as much memory again as all the rest of the operator.
 */
import { request } from "node:http";

/** The engine answered with something other than 2xx. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly status: number;

  constructor(status: number, what: string, said: string) {
    super(`${what}: ${status} ${said.trim().slice(0, 500)}`);
    this.status = status;
  }
}

export interface AskOptions {
  readonly body?: unknown;
  /** Ends the waiting; {@link ANSWER_MS} after the question when there is none. */
  readonly signal?: AbortSignal | undefined;
  /** What is kept of the answer as it comes; all of it, up to {@link MOST_BYTES}, when nothing is said. */
  readonly keep?: (answer: AsyncIterable<Buffer>) => Promise<Buffer>;
}

/** Programs in a box write as much as they like, and the operator has little memory. */
const MOST_BYTES = 65_536;

/** All of it; throws where that is too much. */
export async function whole(answer: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer) {
    size += piece.length;
    if (size > MOST_BYTES) throw new Error(`an answer of more than ${MOST_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** As long as the portal waits for the operator. */
export const ANSWER_MS = 10_000;

/** Asks for a path of the engine's API; what it answered. Throws EngineError, or what the socket throws. */
export type AskEngine = (method: "GET" | "POST", path: string, options?: AskOptions) => Promise<Buffer>;

/** The engine that listens on a Unix socket. */
export function engineAt(socketPath = "/var/run/docker.sock", answerMs = ANSWER_MS): AskEngine {
  return async (method, path, { body, signal = AbortSignal.timeout(answerMs), keep = whole } = {}) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      host: "docker",
      ...(text && { "content-type": "application/json" }),
      "content-length": Buffer.byteLength(text),
    };
    const { promise, resolve, reject } = Promise.withResolvers<[status: number, answer: Buffer]>();
    const sent = request({ socketPath, method, path, headers, signal, agent: false }, (response) => {
      const status = response.statusCode ?? 0;
      // Who stops reading closes the connection.
      (isGood(status) ? keep : whole)(response).then((answer) => resolve([status, answer]), reject);
    });
    sent.once("error", reject).end(text);
    const [status, answer] = await promise.catch((cause: unknown) => {
      throw signal.aborted ? new Error(`${method} ${path}: no answer in time`, { cause }) : cause;
    });
    if (isGood(status)) return answer;
    throw new EngineError(status, `${method} ${path}`, answer.toString());
  };
}

const isGood = (status: number): boolean => status >= 200 && status < 300;
