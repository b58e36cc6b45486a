/** Looks into the queues of a running stack, and changes what waits there: the daemons answer, in their containers. */
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type Docker from "dockerode";
import { parseDesk } from "../../../mailserver/desk/arguments.ts";
import { say } from "../../../mailserver/desk/text.ts";
import { DeskAnswer, merge, NOTHING } from "../../../mailserver/desk/words.ts";
import { type Context, sayWith } from "../context.ts";
import { Fault, messageOf } from "../fault.ts";
import { openStack } from "../stack.ts";
import { stackEngine } from "../stack-engine.ts";

export interface QueueOptions {
  readonly stack: string;
  /** As they were typed. */
  readonly words: readonly string[];
}

/** Those that have a queue. */
const SERVICES = ["smtp-out", "smtp-in"] as const;
const COMMAND = ["/usr/local/bin/node", "--disable-warning=ExperimentalWarning", "/app/main.mjs", "queue"];

/** Answers the exit code: 1 when something that was asked for is not there. */
export async function queue(context: Context, { stack: name, words }: QueueOptions): Promise<number> {
  const parsed = parseDesk(words);
  if ("fault" in parsed) {
    const [cause = "", ...remedy] = parsed.fault.split("\n");
    throw new Fault(cause, remedy.join("\n") || "`npm run queue -- --help` says more.");
  }
  const { request, json } = parsed;
  // What is printed is the answer alone, for programs that read it.
  const quiet = { ...context, say: sayWith(() => {}) };
  const stack = openStack(quiet, name);
  const { docker } = await stackEngine(quiet, stack, "use");
  const { prefix } = stack;
  const answers = await Promise.all(SERVICES.map((service) => ask(docker, prefix, service, words)));
  const answer = merge(answers, request.verb === "list" ? request.limit : undefined);
  const { out, err, complete } = say(request, answer, Date.now());
  process.stdout.write(json ? `${JSON.stringify(answer)}\n` : out);
  process.stderr.write(err);
  return complete ? 0 : 1;
}

async function ask(
  docker: Docker,
  prefix: string,
  service: string,
  words: readonly string[],
): Promise<DeskAnswer> {
  const container = `${prefix}-${service}`;
  const { out, err } = await execute(docker, container, [...COMMAND, ...words, "--json"]).catch(
    (error: unknown) => {
      throw new Fault(
        `${container} can't be asked: ${messageOf(error)}`,
        "Is the stack up? `npm run up` puts it right; another stack is named by --stack NAME.",
      );
    },
  );
  try {
    const answer = DeskAnswer.parse(JSON.parse(out));
    return { ...answer, silent: answer.silent.map((who) => `${who} of ${container}`) };
  } catch {
    console.error(err.trim());
    return { ...NOTHING, silent: [container] };
  }
}

/** Runs a program in a container to its end. */
async function execute(
  docker: Docker,
  name: string,
  command: string[],
): Promise<{ out: string; err: string }> {
  const exec = await docker.getContainer(name).exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.once("error", (error: Error) => out.destroy(error));
  stream.once("end", () => {
    out.end();
    err.end();
  });
  const [said, complained] = await Promise.all([text(out), text(err)]);
  return { out: said, err: complained };
}
