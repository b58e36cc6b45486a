/**
 * HTTPS for acme-client, in place of its own: that one knows no authorities of ours, repeats requests by itself, and of
 * an error keeps the text alone, where we need its type and how long to wait (RFC 8555 section 6.6 and 6.7).
 */
import { request } from "node:https";
import { rootCertificates } from "node:tls";
import acme from "acme-client";
import { Problem, problemFault, retryAfterMs, unreachableFault } from "./fault.ts";

export interface TransportOptions {
  /** PEM of authorities that are trusted besides the public ones. */
  readonly roots: readonly string[];
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Question {
  readonly url: string;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type Transport = (question: Question) => Promise<Answer>;

const MAX_BYTES = 1_048_576;
const AGENT = "semail-certifier";
/** acme-client answers this one itself, with a new nonce (RFC 8555 section 6.5). */
const BAD_NONCE = "urn:ietf:params:acme:error:badNonce";

/** Rejects with CertifierFault unless the answer is a success or one that acme-client deals with. */
export function createTransport(options: TransportOptions): Transport {
  return async (question) => {
    const answer = await send(question, options).catch((error: Error & { code?: string }) => {
      const why =
        error.name === "AbortError" || error.name === "TimeoutError" ? "it took too long" : undefined;
      throw unreachableFault(
        question.url,
        why ?? ([error.code, error.message].filter(Boolean).join(" ") || error.name),
      );
    });
    if (answer.status < 400) return answer;
    const pause = retryAfterMs(answer.headers["retry-after"], options.now());
    const problem = problemIn(answer.body);
    if (problem === undefined) {
      const type = answer.status === 429 ? "rateLimited" : undefined;
      if (type) throw problemFault({ type, detail: "too many requests" }, { retryAfterMs: pause });
      throw unreachableFault(question.url, `status ${answer.status}`, pause);
    }
    if (problem.type === BAD_NONCE) return answer;
    throw problemFault(problem, { retryAfterMs: pause });
  };
}

/** acme-client has one HTTP client for the whole process; this is what it sends with from now on. */
export function installTransport(transport: Transport): void {
  acme.axios.defaults.adapter = async (config) => {
    const { url = "", method = "get", data } = config;
    const { status, headers, body } = await transport({
      ...{ url, method: method.toUpperCase() },
      ...(typeof data === "string"
        ? { headers: { "content-type": "application/jose+json" }, body: data }
        : {}),
    });
    return { data: body, status, statusText: "", headers: { ...headers }, config };
  };
}

function send(
  { url, method, headers, body }: Question,
  { roots, timeoutMs }: TransportOptions,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  if (!url.startsWith("https://")) return Promise.reject(new Error("it is no https:// URL"));
  const asked = request(
    url,
    {
      method,
      headers: {
        ...{ "user-agent": AGENT, accept: "*/*", ...headers },
        ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
      },
      ca: [...rootCertificates, ...roots],
      signal: AbortSignal.timeout(timeoutMs),
    },
    (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_BYTES) response.destroy(new Error("its answer is longer than 1 MiB"));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: flat(response.headers),
          body: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    },
  );
  asked.on("error", reject);
  asked.end(body);
  return promise;
}

function flat(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : (value ?? ""),
    ]),
  );
}

function problemIn(body: string): Problem | undefined {
  try {
    return Problem.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
