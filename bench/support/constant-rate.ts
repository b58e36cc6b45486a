/** Requests at a constant rate, whether those before are answered or not. */
import { once } from "node:events";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

export interface RateOptions {
  readonly port: number | undefined;
  /** The authority that is trusted. */
  readonly ca: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly perSecond: number;
  readonly seconds: number;
  /** Connections that are kept. */
  readonly connections: number;
}

/**
 * Milliseconds from when each request was due to the first byte of its answer: time for which it waited for a connection,
 * or for this process, is part of it. Throws when one isn't answered 200.
 */
export async function firstBytes(options: RateOptions): Promise<number[]> {
  const { port, ca, path, headers, perSecond, seconds, connections } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const failures: unknown[] = [];
  const ask = async (due: number): Promise<number> => {
    const sent = request({ host: "localhost", port, path, ca, agent, headers });
    // One that comes while the answer is read is told by that; here it would end the process.
    sent.on("error", () => {});
    sent.end();
    const [answer] = await once(sent, "response");
    const took = performance.now() - due;
    if (answer.statusCode !== 200) throw new Error(`${path} was answered ${answer.statusCode}`);
    answer.resume();
    await once(answer, "end");
    return took;
  };
  const kept = (due: number): Promise<number> =>
    ask(due).catch((error: unknown) => {
      failures.push(error);
      return Number.NaN;
    });
  try {
    // Connections that are there: a page is not a browser's first.
    await Promise.all(Array.from({ length: connections }, () => kept(performance.now())));
    const began = performance.now();
    const asked: Promise<number>[] = [];
    while (asked.length < perSecond * seconds && failures.length === 0) {
      const due = began + (asked.length * 1_000) / perSecond;
      if (due <= performance.now()) asked.push(kept(due));
      else await sleep(1);
    }
    const times = await Promise.all(asked);
    if (failures.length > 0) throw failures[0];
    return times;
  } finally {
    agent.destroy();
  }
}
