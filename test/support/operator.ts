/** The operator of a test stack, in its container. */

import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { type OperatorClient, operatorClient } from "../../mailserver/operator/client.ts";
import type { PersonRequest, RequestView } from "../../mailserver/operator/protocol.ts";

export interface RunningOperator {
  readonly client: OperatorClient;
  /** What it has logged, over all its lives. */
  readonly lines: string[];
  /** Resolves with the first line from now on that has `text` in it. */
  heard(text: string): Promise<string>;
  /** SIGKILL, and its end. */
  kill(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number>;
  /** Starts it again, and waits until it listens. */
  start(): Promise<void>;
}

/** Follows the operator of the stack with that prefix. The volume's folder must be this machine's. */
export async function followOperator(docker: Docker, prefix: string): Promise<RunningOperator> {
  const container = docker.getContainer(`${prefix}-operator`);
  const { Mountpoint } = await docker.getVolume(`${prefix}-operator`).inspect();
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  const follow = async () => {
    const output = new PassThrough();
    const logs = await container.logs({ follow: true, stdout: true, stderr: true, tail: 0 });
    docker.modem.demuxStream(logs, output, output);
    createInterface({ input: output }).on("line", (line) => {
      lines.push(line);
      for (const tell of waiting) tell(line);
    });
  };
  await follow();
  const heard = (text: string) =>
    new Promise<string>((resolve) => {
      const tell = (line: string) => {
        if (!line.includes(text)) return;
        waiting.delete(tell);
        resolve(line);
      };
      waiting.add(tell);
    });
  return {
    client: operatorClient({ socket: `${Mountpoint}/operator.sock` }),
    lines,
    heard,
    kill: async () => {
      await container.kill({ signal: "SIGKILL" });
      await container.wait();
    },
    stop: async () => {
      await container.stop({ t: 10 });
      return (await container.wait()).StatusCode;
    },
    start: async () => {
      const ready = heard("daemon.ready");
      await container.start();
      // Lines before this look are not lost: a container's log begins with its first start.
      await follow();
      const started = (await container.logs({ stdout: true, stderr: true, since: 0, tail: 5 })).toString();
      if (!started.trimEnd().split("\n").at(-1)?.includes("daemon.ready")) await ready;
    },
  };
}

/** Asks, and follows to the end; every event. */
export async function carryOut(client: OperatorClient, request: PersonRequest): Promise<RequestView[]> {
  const events: RequestView[] = [];
  for await (const event of client.events(await client.submit(request))) events.push(event);
  return events;
}
