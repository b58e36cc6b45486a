import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { type Boxes, engineBoxes } from "../../../operator/boxes.ts";
import { EngineError, engineAt } from "../../../operator/engine-client.ts";
import { temporaryFolder } from "../../support/queue.ts";

/** An engine that is played; `gone` resolves when nobody asks it any more. */
async function engine(t: TestContext, listener: RequestListener) {
  const folder = await temporaryFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  const server = createServer(listener);
  const socket = join(folder.path, "docker.sock");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const gone = () => new Promise<unknown>((resolve) => server.close(resolve));
  t.after(gone);
  return { socket, gone };
}

/** Answers all but that path, of which nothing comes, or a beginning. */
const silentAt =
  (path: RegExp, after: string): RequestListener =>
  (request, response) => {
    if (!path.test(request.url ?? "")) return void response.end('{"Id":"e1","ExitCode":1}');
    if (after !== "nothing") response.writeHead(200).flushHeaders();
    if (after === "a part") response.write("{");
  };

/** What is asked of the engine, for what, and the path of it that isn't answered. */
const QUESTIONS: [name: string, ask: (boxes: Boxes) => Promise<unknown>, path: RegExp][] = [
  ["a new check", (boxes) => boxes.ready("bob"), /\/exec$/],
  ["a check", (boxes) => boxes.ready("bob"), /\/start$/],
  ["a check's code", (boxes) => boxes.ready("bob"), /\/json$/],
  ["a new look at the quota", (boxes) => boxes.usage("bob"), /\/exec$/],
  ["a look at the quota", (boxes) => boxes.usage("bob"), /\/start$/],
  ["its code", (boxes) => boxes.usage("bob"), /\/json$/],
  ["a restart", (boxes) => boxes.restart("bob"), /\/restart\?/],
  ["a log", (boxes) => boxes.log("bob", 0), /\/logs\?/],
];

describe("the operator's words with the engine", () => {
  const frame = (text: string) => {
    const head = Buffer.alloc(8);
    head[0] = 1;
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it("asks a box by its own programs, and takes one that doesn't run yet for not ready", async (t) => {
    const asked: string[] = [];
    const answers: [path: RegExp, status: number, body: string | Buffer][] = [
      [/\/exec$/, 409, '{"message":"not running"}'],
      [/\/exec$/, 201, '{"Id":"e1"}'],
      [/\/exec\/e1\/start$/, 200, frame("\tSTORAGE\t1\t-\t\n")],
      [/\/exec\/e1\/json$/, 200, '{"ExitCode":0}'],
      [/\/logs\?/, 200, Buffer.concat([frame("one\n"), frame("two\n")])],
      [/^/, 404, '{"message":"No such container"}'],
    ];
    const { socket } = await engine(t, async (request, response) => {
      const body = (await text(request)) || "{}";
      const { Cmd = [] } = JSON.parse(body) as { Cmd?: string[] };
      asked.push([request.method, request.url, Cmd[0]].filter(Boolean).join(" "));
      const [, status = 404, answer] = answers.find(([path]) => path.test(request.url ?? "")) ?? [];
      if (status === 409) answers.shift();
      response.writeHead(status).end(answer);
    });
    const boxes = engineBoxes(engineAt(socket), "semail-t");
    await boxes.ready("bob");
    assert.deepEqual(asked.slice(1), [
      "POST /containers/semail-t-box-bob/exec /usr/local/bin/healthcheck",
      "POST /exec/e1/start",
      "GET /exec/e1/json",
    ]);
    assert.deepEqual(await boxes.usage("bob"), { used: 1_024, limit: null });
    assert.equal(await boxes.log("bob", 5_000), "one\ntwo\n");
    await assert.rejects(
      boxes.restart("bob"),
      (error) => error instanceof EngineError && error.status === 404,
    );
  });

  for (const [name, ask, path] of QUESTIONS) {
    for (const after of ["nothing", "the head", "a part"]) {
      it(`waits for no end of ${name} where ${after} comes of it`, async (t) => {
        const { socket, gone } = await engine(t, silentAt(path, after));
        const limits = { readyMs: 40, checkMs: 20, restartMs: 20 };
        await assert.rejects(
          ask(engineBoxes(engineAt(socket, 20), "semail-t", limits)),
          /isn't ready after 0\.04 s|no answer in time/,
        );
        // With a connection left open it would not be.
        await gone();
      });
    }
  }

  it("asks again where a check doesn't end", async (t) => {
    let checks = 0;
    const { socket } = await engine(t, (request, response) => {
      if (request.url?.endsWith("/start") && checks++ === 0) return;
      response.end('{"Id":"e1","ExitCode":0}');
    });
    const limits = { readyMs: 30_000, checkMs: 20, restartMs: 20 };
    await engineBoxes(engineAt(socket), "semail-t", limits).ready("bob");
    assert.equal(checks, 2);
  });
});
