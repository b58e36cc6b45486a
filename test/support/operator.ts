/** The operator as a process on a test project. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type OperatorClient, operatorClient } from "../../mailserver/operator/client.ts";
import type { PersonRequest, RequestView } from "../../mailserver/operator/protocol.ts";
import type { TestProject } from "./project.ts";

export interface RunningOperator {
  readonly client: OperatorClient;
  /** What it has logged. */
  readonly lines: string[];
  /** Resolves with the first line from now on that has `text` in it. */
  heard(text: string): Promise<string>;
  /** SIGKILL, and its end. */
  kill(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
}

/** Starts it and waits until it listens. `env` is added to the test's own. */
export async function startOperator(
  project: TestProject,
  env: Record<string, string> = {},
): Promise<RunningOperator> {
  const socket = join(project.folder, "operator.sock");
  const child = spawn(process.execPath, [join(project.folder, "operator/main.ts")], {
    cwd: "/",
    env: { ...process.env, SEMAIL_ROOT: project.folder, SEMAIL_STACK: "test", SEMAIL_SOCKET: socket, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const tell of waiting) tell(line);
  });
  const heard = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const tell = (line: string) => {
        if (!line.includes(text)) return;
        waiting.delete(tell);
        resolve(line);
      };
      waiting.add(tell);
      void ended.then(() => reject(new Error(`the operator ended:\n${lines.join("\n")}`)));
    });
  await heard("daemon.ready");
  const end = async (signal: "SIGKILL" | "SIGTERM") => {
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  };
  return {
    client: operatorClient({ socket }),
    lines,
    heard,
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
  };
}

/** Asks, and follows to the end; every event. */
export async function carryOut(client: OperatorClient, request: PersonRequest): Promise<RequestView[]> {
  const events: RequestView[] = [];
  for await (const event of client.events(await client.submit(request))) events.push(event);
  return events;
}
