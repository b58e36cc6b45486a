/** What strangers send by the thousand: the portal stays within its memory, and answers the others. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { Worker } from "node:worker_threads";
import { silentLog } from "../../../mailserver/net/log.ts";
import { AT_ONCE, CONNECTIONS, readInPortions } from "../../../mailserver/portal/connections.ts";
import { type PortalDaemon, startPortal } from "../../../mailserver/portal/daemon.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { makeIdentity } from "../../support/identity.ts";
import { memoryOperator, memoryPeople, portalSettings, testDns } from "../../support/portal.ts";
import { temporaryFolder } from "../../support/queue.ts";

const page = "GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n";
const policy =
  "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.org\r\nConnection: close\r\n\r\n";
const form = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n` +
  `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** A connection, and what came on it; `over` when it was ended. */
function open(port: number, localAddress = "127.0.0.1") {
  const socket = connect({ port, host: "127.0.0.1", localAddress, rejectUnauthorized: false } as object);
  const told = { text: "", statuses: (): string[] => told.text.match(/(?<=HTTP\/1\.1 )\d+/g) ?? [] };
  const over = new Promise<void>((resolve) => {
    socket.on("error", () => undefined).once("close", () => resolve());
  });
  socket.on("data", (bytes: Buffer) => {
    told.text += bytes.toString("latin1");
  });
  return { socket, told, over };
}

/** The statuses of what was answered to `text`, after that many, or when the connection was ended. */
async function ask(port: number, text: string, count = Number.POSITIVE_INFINITY): Promise<string[]> {
  const { socket, told, over } = open(port);
  socket.write(text);
  const enough = new Promise<void>((resolve) => {
    socket.on("data", () => {
      if (told.statuses().length >= count) resolve();
    });
  });
  await Promise.race([over, enough]);
  socket.destroy();
  return told.statuses();
}

describe("a connection to the portal", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let portal: PortalDaemon;
  before(async () => {
    folder = await temporaryFolder();
    portal = await startPortal(await portalSettings(folder.path, await makeIdentity("localhost")), {
      ...{ log: silentLog, clock: systemClock, newToken: () => "token", dns: testDns, loginStepMs: 0 },
      operator: memoryOperator([]).client,
      directory: { ...memoryPeople([]).accounts, close: async () => {} },
    });
  });
  after(async () => {
    await portal.close();
    await folder[Symbol.asyncDispose]();
  });

  const cases: [name: string, text: string, statuses: string[]][] = [
    ["has as many requests under way as it may", page.repeat(AT_ONCE), Array(AT_ONCE).fill("200")],
    ["may send a form that fills many portions", form("/sign-in", `login=${"x".repeat(16_000)}`), ["400"]],
    ["may not send one that is too large", form("/sign-in", `login=${"x".repeat(17_000)}`), ["413"]],
    ["that says nonsense is told so", "nonsense\r\n\r\n", ["400"]],
  ];
  for (const [name, text, statuses] of cases)
    test(name, async () => assert.deepEqual(await ask(portal.port, text, statuses.length), statuses));

  test("is ended when it has one more under way", async () => {
    assert.deepEqual(await ask(portal.port, page.repeat(AT_ONCE + 1)), []);
  });

  test("may ask for any number of pages, one after the other", async () => {
    const { socket, told } = open(portal.port);
    for (let n = 1; n <= 5 * AT_ONCE; n += 1) {
      socket.write(page);
      while (told.statuses().length < n) await once(socket, "data");
    }
    socket.destroy();
  });

  test("is one of as many as a client may have, and another client isn't kept out", async () => {
    const client = () => open(portal.port, "127.0.0.3");
    const clients = Array.from({ length: CONNECTIONS.connectionsPerClient }, client);
    await Promise.all(clients.map(({ socket }) => once(socket, "secureConnect")));
    await client().over;
    const other = open(portal.port, "127.0.0.2");
    other.socket.write(policy);
    await other.over;
    assert.deepEqual(other.told.statuses(), ["200"]);
    for (const { socket } of clients) socket.destroy();
    await Promise.all(clients.map(({ over }) => over));
  });
});

test("a connection that is kept is ended when nothing more is asked for, though the client keeps its side open", async (t) => {
  const { certificate: cert, key } = await makeIdentity("localhost");
  const server = createServer({ cert, key, keepAliveTimeout: 1, keepAliveTimeoutBuffer: 1 }, (_, response) =>
    response.end("well"),
  );
  readInPortions(server);
  await once(server.listen(0), "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.deepEqual(await ask(port, page), ["200"]);
});

/** A portal in a thread that has the heap of the image (mailserver/images/portal/Dockerfile), and what made it end. */
async function heldPortal(t: TestContext, folder: string) {
  const limits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 12 };
  const options = { workerData: folder, resourceLimits: limits, stderr: true };
  const worker = new Worker(new URL("../../support/flooded-portal.ts", import.meta.url), options);
  t.after(() => worker.terminate());
  const failed = once(worker, "exit").then(() => assert.fail("the portal ended"));
  const [port] = (await Promise.race([once(worker, "message"), failed])) as [number];
  failed.catch(() => undefined);
  return { port, failed };
}

const floods: [name: string, request: string, count: number][] = [
  ["pages", "GET / HTTP/1.1\r\nHost:m\r\n\r\n", 5_000],
  ["passwords", form("/sign-in", "login=nobody&password=x"), 2_000],
];
for (const [name, request, count] of floods)
  test(`thousands of ${name} at once on every connection that one may have don't end the portal`, async (t) => {
    await using folder = await temporaryFolder();
    const { port, failed } = await heldPortal(t, folder.path);
    const connections = Array.from({ length: CONNECTIONS.connectionsPerClient }, () => open(port));
    await Promise.all(connections.map(({ socket }) => once(socket, "secureConnect")));
    const text = request.repeat(count);
    for (const { socket } of connections) socket.write(text);
    await Promise.race([Promise.all(connections.map(({ over }) => over)), failed]);
    assert.deepEqual(await Promise.race([ask(port, policy), failed]), ["200"]);
  });
