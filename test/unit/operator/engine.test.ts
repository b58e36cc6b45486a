import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MAX_LOG } from "../../../mailserver/operator/protocol.ts";
import { type Boxes, engineBoxes } from "../../../operator/boxes.ts";
import { type AskEngine, EngineError, engineAt } from "../../../operator/engine-client.ts";
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

/** As the engine sends output: with a stream's number and a length. */
function frame(text: string): Buffer {
  const head = Buffer.alloc(8);
  head[0] = 1;
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

const line = (length: number, letter = "x") => `${letter.repeat(length - 1)}\n`;

describe("the operator's words with the engine", () => {
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

  const endless: Record<string, (boxes: Boxes) => Promise<unknown>> = {
    check: (boxes) => boxes.ready("bob"),
    "look at the quota": (boxes) => boxes.usage("bob"),
  };
  for (const [name, ask] of Object.entries(endless)) {
    it(`stops reading what a ${name} writes without end`, async (t) => {
      const { socket, gone } = await engine(t, (request, response) => {
        if (!request.url?.endsWith("/start")) return void response.end('{"Id":"e1","ExitCode":0}');
        const flood = () => {
          while (!response.destroyed && response.write(frame("x".repeat(16_000))));
        };
        response.on("drain", flood);
        flood();
      });
      await assert.rejects(ask(engineBoxes(engineAt(socket), "semail-t")), /more than 65536 bytes/);
      await gone();
    });
  }

  it("has no more than the end of a long log in memory", async (t) => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const used = async () => {
      // What one run finds is given back by the next.
      for (let run = 0; run < 3; run += 1) {
        await setImmediate();
        collect();
      }
      return process.memoryUsage().arrayBuffers;
    };
    let grown = Number.POSITIVE_INFINITY;
    const { socket } = await engine(t, async (_request, response) => {
      const before = await used();
      const piece = frame(line(16_000));
      for (let sent = 0; sent < 30_000_000; sent += piece.length)
        if (!response.write(piece)) await once(response, "drain");
      grown = (await used()) - before;
      response.end(frame("the last line\n"));
    });
    const said = await engineBoxes(engineAt(socket), "semail-t").log("bob", 0);
    assert.equal(said, `${line(16_000).repeat(2)}the last line\n`);
    assert.ok(grown < 8_000_000, `${grown} bytes more`);
  });

  it("reads a log once for all who ask for it at the same time", async () => {
    const answers: (() => void)[] = [];
    const boxes = engineBoxes(
      (_method, path) => new Promise((resolve) => answers.push(() => resolve(Buffer.from(path)))),
      "semail-t",
    );
    const said = ["bob", "bob", "carol", "bob"].map((uid) => boxes.log(uid, 0));
    assert.equal(answers.length, 2);
    for (const answer of answers) answer();
    assert.deepEqual(
      (await Promise.all(said)).map((path) => path.match(/box-(\w+)/)?.[1]),
      ["bob", "bob", "carol", "bob"],
    );
    void boxes.log("bob", 0);
    assert.equal(answers.length, 3);
  });

  const logs: [name: string, said: string[], shown: string][] = [
    ["nothing", [], ""],
    ["a frame without bytes", ["", "one\n", "", "two\n"], "one\ntwo\n"],
    ["as much as is shown", [line(MAX_LOG)], line(MAX_LOG)],
    ["a byte more", [line(10), line(MAX_LOG - 9, "y")], line(MAX_LOG - 9, "y")],
    ["a line that is too long", [line(MAX_LOG + 1)], ""],
    ["much more", Array(20).fill(line(5_000)), line(5_000).repeat(8)],
  ];
  for (const [name, said, shown] of logs) {
    it(`shows the last whole lines of a log with ${name}, however it comes in`, async () => {
      const all = Buffer.concat(said.map(frame));
      for (const size of [5, 8, 4_096, all.length + 1]) {
        async function* chunks() {
          for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
        }
        const ask: AskEngine = (_method, _path, { keep } = {}) => keep?.(chunks()) ?? Promise.reject();
        assert.equal(await engineBoxes(ask, "semail-t").log("bob", 0), shown, `pieces of ${size}`);
      }
    });
  }
});
