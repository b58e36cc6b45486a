import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { OperatorError, operatorClient } from "../../../mailserver/operator/client.ts";
import type { RequestView } from "../../../mailserver/operator/protocol.ts";

const ID = "0123456789abcdef0123456789abcdef";
const VIEW: RequestView = { id: ID, uid: "alice", kind: "create", state: "running", steps: [], error: null };

async function answering(t: TestContext, listener: RequestListener): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "semail-operator-"));
  const socket = join(folder, "s");
  const server = createServer(listener).listen(socket);
  await once(server, "listening");
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return socket;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const one of all) seen.push(one);
  return seen;
}

const isFault = (status: number, code: string) => (error: unknown) =>
  error instanceof OperatorError && error.status === status && error.fault.code === code;

describe("the operator's client", () => {
  it("sends a request as JSON and answers its id", async (t) => {
    const seen: unknown[] = [];
    const socket = await answering(t, async (request, response) => {
      seen.push([request.method, request.url, JSON.parse(await bodyOf(request))]);
      response.writeHead(202).end(JSON.stringify({ id: ID }));
    });
    const wanted = { kind: "create", uid: "alice", address: "alice@semail.test" } as const;
    assert.equal(await operatorClient({ socket }).submit(wanted), ID);
    assert.deepEqual(seen, [["POST", "/requests", wanted]]);
  });

  it("encodes what it puts into a path", async (t) => {
    const urls: unknown[] = [];
    const socket = await answering(t, (request, response) => {
      urls.push(request.url);
      response.end(JSON.stringify({ free: false, reason: "malformed" }));
    });
    await operatorClient({ socket }).address("a/b", "../people/bob?x=1#y");
    assert.deepEqual(urls, ["/people/a%2Fb/addresses/..%2Fpeople%2Fbob%3Fx%3D1%23y"]);
  });

  it("throws the reason that a refusal gives", async (t) => {
    const socket = await answering(t, (_, response) => {
      response.writeHead(409).end(JSON.stringify({ code: "address-taken", detail: "bob has it" }));
    });
    await assert.rejects(
      operatorClient({ socket }).submit({ kind: "delete", uid: "alice" }),
      isFault(409, "address-taken"),
    );
  });

  const broken: { name: string; listener: RequestListener }[] = [
    { name: "no JSON", listener: (_, response) => void response.end("<html>") },
    { name: "another form", listener: (_, response) => void response.end('{"id":"x","extra":1}') },
    {
      name: "an error without a reason",
      listener: (_, response) => void response.writeHead(500).end("oops"),
    },
    { name: "no end", listener: (_, response) => void response.end("x".repeat(80_000)) },
    { name: "silence", listener: () => undefined },
    { name: "a hang-up", listener: (request) => void request.socket.destroy() },
  ];
  for (const { name, listener } of broken) {
    it(`calls an operator that answers with ${name} unavailable`, async (t) => {
      const socket = await answering(t, listener);
      await assert.rejects(
        operatorClient({ socket, timeoutMs: 200 }).request(ID),
        isFault(503, "unavailable"),
      );
    });
  }

  it("calls an operator that isn't there unavailable", async () => {
    const client = operatorClient({ socket: join(tmpdir(), "semail-nobody-listens") });
    await assert.rejects(client.person("alice"), isFault(503, "unavailable"));
  });

  it("yields each event until the request is over", async (t) => {
    const socket = await answering(t, (_, response) => {
      response.write(`${JSON.stringify(VIEW)}\n`);
      response.write(`${JSON.stringify({ ...VIEW, state: "done" })}\n`);
    });
    const states: string[] = [];
    for await (const { state } of operatorClient({ socket }).events(ID)) states.push(state);
    assert.deepEqual(states, ["running", "done"]);
  });

  it("doesn't take events that break off for an end", async (t) => {
    const socket = await answering(t, (_, response) => {
      response.write(`${JSON.stringify(VIEW)}\n`, () => response.destroy());
    });
    await assert.rejects(collect(operatorClient({ socket }).events(ID)), isFault(503, "unavailable"));
  });

  it("gives up on events that don't come", async (t) => {
    const socket = await answering(t, (_, response) => void response.write(`${JSON.stringify(VIEW)}\n`));
    const events = operatorClient({ socket, eventTimeoutMs: 100 }).events(ID);
    await assert.rejects(collect(events), isFault(503, "unavailable"));
  });
});
