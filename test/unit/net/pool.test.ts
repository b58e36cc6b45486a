import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, describe, test } from "node:test";
import { ConnectionPool } from "../../../mailserver/net/pool.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { BODY, envelope, kinds, options, ordinary, scripted } from "../../support/sending.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

/** What a peer does with its nth session (from 0), by the commands that it answers in its own way. */
type Script = (session: number, socket: Socket, line: string) => Readonly<Record<string, string>>;

/** A peer that counts its sessions, and what it took in each. */
async function peer(script: Script = () => ({})) {
  const sockets: Socket[] = [];
  const taken: number[] = [];
  const ended: PromiseWithResolvers<void>[] = [];
  const server = await scripted((line, socket) => {
    if (!sockets.includes(socket)) {
      const closed = Promise.withResolvers<void>();
      socket.on("close", () => closed.resolve());
      ended.push(closed);
      sockets.push(socket);
    }
    const session = sockets.indexOf(socket);
    if (line === ".") taken.push(session);
    return ordinary(script(session, socket, line))(line);
  });
  open.push({ close: () => sockets.map((socket) => socket.destroy()) }, server);
  return { port: server.port, sockets, taken, ended: (session: number) => ended[session]?.promise };
}

function pool(given: Partial<ConstructorParameters<typeof ConnectionPool>[0]> = {}) {
  const clock = new FakeClock(0);
  const made = new ConnectionPool({ idleMs: 1_000, messages: 100, timing: clock, ...given });
  open.push(made);
  const send = async (port: number, more: Parameters<typeof options>[1] & { signal?: AbortSignal } = {}) => {
    const { signal, ...session } = more;
    const to = { ...options(port, session), ...(signal && { signal }) };
    const report = await made.deliver(to, envelope(["a@b.example"]), BODY);
    return report.kind === "done" ? kinds(report.outcomes)[0] : `failed at ${report.failure.stage}`;
  };
  return { clock, made, send, close: () => made.close() };
}

const TAKEN = "delivered 250 2.0.0";

describe("kept sessions", () => {
  test("carry one message after the other", async () => {
    const to = await peer();
    const { send } = pool();
    for (let message = 0; message < 3; message += 1) assert.equal(await send(to.port), TAKEN);
    assert.deepEqual(to.taken, [0, 0, 0]);
  });

  test("are never shared by two messages at once", async () => {
    const to = await peer();
    const { send } = pool();
    assert.deepEqual(await Promise.all([send(to.port), send(to.port)]), [TAKEN, TAKEN]);
    assert.deepEqual(to.taken.toSorted(), [0, 1]);
  });

  test("differ by what was asked of them", async () => {
    const to = await peer();
    const { send } = pool();
    await send(to.port);
    await send(to.port, { tls: "never" });
    assert.deepEqual(to.taken, [0, 1]);
  });

  test("of one peer are so many at most, and those that wait use the ones that get free", async () => {
    const to = await peer();
    const { send } = pool({ perPeer: { first: 2, most: 2 } });
    const all = await Promise.all(Array.from({ length: 6 }, () => send(to.port)));
    assert.deepEqual(all, Array(6).fill(TAKEN));
    assert.deepEqual([to.sockets.length, to.taken.length], [2, 6]);
  });

  test("of one peer become more while it keeps up", async () => {
    const to = await peer();
    const { send } = pool({ perPeer: { first: 1, most: 3 } });
    const all = await Promise.all(Array.from({ length: 12 }, () => send(to.port)));
    assert.deepEqual(all, Array(12).fill(TAKEN));
    assert.deepEqual([to.sockets.length, to.taken.length], [3, 12]);
  });

  test("that the peer turns away cost no message anything: they go over those that it took", async () => {
    const most = 2;
    const to = await peer((session) =>
      session < most ? {} : { EHLO: "421 4.7.0 too many", HELO: "421 no" },
    );
    const { send } = pool({ perPeer: { first: 5, most: 20 } });
    const all = await Promise.all(Array.from({ length: 12 }, () => send(to.port)));
    assert.deepEqual(all, Array(12).fill(TAKEN));
    assert.deepEqual(
      to.taken.every((session) => session < most),
      true,
    );
    // Not tried again for a while.
    const before = to.sockets.length;
    await Promise.all(Array.from({ length: 12 }, () => send(to.port)));
    assert.equal(to.sockets.length, before);
  });

  test("a peer that turns away everybody is told of as soon as no session is left", async () => {
    const to = await peer(() => ({ EHLO: "421 4.3.2 closed", HELO: "421 closed" }));
    const { send } = pool({ perPeer: { first: 3, most: 20 } });
    const all = await Promise.all(Array.from({ length: 5 }, () => send(to.port)));
    assert.deepEqual(all, Array(5).fill("failed at helo"));
  });

  test("at rest give way to one with other wishes when the peer has as many as it may", async () => {
    const to = await peer();
    const { send } = pool({ perPeer: { first: 2, most: 2 } });
    await Promise.all([send(to.port), send(to.port)]);
    await send(to.port, { tls: "never" });
    await Promise.race([to.ended(0), to.ended(1)]);
    assert.equal(to.sockets.filter(({ destroyed }) => !destroyed).length, 2);
  });

  for (const [command, began] of [
    ["MAIL", false],
    ["RCPT", false],
    ["DATA", false],
    [".", true],
  ] as const) {
    test(`lost at ${command}: the report says that the body ${began ? "was" : "was not"} on its way`, async () => {
      const cut = (line: string, socket: Socket) => (line.startsWith(command) ? socket.destroy() : undefined);
      const to = await peer((_, socket, line) => (cut(line, socket) ? { [command]: "" } : {}));
      const { made } = pool();
      const report = await made.deliver(options(to.port), envelope(["a@b.example"]), BODY);
      assert.equal(report.kind === "done" && report.bodyBegan, began);
      assert.equal(report.kind, "done");
    });
  }

  test("end when nothing came for a while, when they have carried enough, and with the pool", async () => {
    const to = await peer();
    const { clock, send, close } = pool({ messages: 2 });
    await send(to.port);
    assert.equal(await clock.jump(), 1_000);
    await to.ended(0);
    for (let message = 0; message < 3; message += 1) await send(to.port);
    await to.ended(1);
    assert.deepEqual(to.taken, [0, 1, 1, 2]);
    await close();
    await to.ended(2);
  });

  test("that the peer ended while they rested cost nothing", async () => {
    const to = await peer();
    const { send } = pool();
    await send(to.port);
    to.sockets[0]?.resetAndDestroy();
    // Whether the reset is seen before the next message or during it.
    assert.equal(await send(to.port), TAKEN);
    assert.deepEqual(to.taken, [0, 1]);
  });

  for (const command of ["MAIL", "RCPT", "DATA"]) {
    const ways = {
      "answered 421": () => ({ [command]: "421 4.4.2 too long" }),
      "cut off": (socket: Socket) => {
        socket.destroy();
        return {};
      },
    };
    for (const [how, what] of Object.entries(ways)) {
      test(`a second message ${how} at ${command} goes over a new session`, async () => {
        let second = false;
        const to = await peer((session, socket) => (second && session === 0 ? what(socket) : {}));
        const { send } = pool();
        await send(to.port);
        second = true;
        const again = await send(to.port);
        // RFC 5321 section 4.2.1: an answer of the peer to a recipient is an answer, whichever session gave it.
        assert.equal(again, TAKEN);
        assert.deepEqual(to.taken, [0, 1]);
      });
    }
  }

  test("a message that the peer may have taken is never sent twice", async () => {
    const to = await peer((session, socket) => {
      if (session === 0 && to.taken.length === 2) socket.destroy();
      return {};
    });
    const { send } = pool();
    await send(to.port);
    assert.match((await send(to.port)) ?? "", /^temporary 451/);
    assert.deepEqual(to.taken, [0, 0]);
  });

  test("a refused message leaves the session fit for the next", async () => {
    let refuse = true;
    const to = await peer(() => (refuse ? { RCPT: "550 5.1.1 nobody" } : {}));
    const { send } = pool();
    assert.equal(await send(to.port), "permanent 550 5.1.1");
    refuse = false;
    assert.equal(await send(to.port), TAKEN);
    assert.deepEqual(to.taken, [0]);
  });

  test("a hundred wait for a peer that hangs, and more are turned away at once", async () => {
    const to = await peer(() => ({ MAIL: "250-there is more to come" }));
    const { send } = pool({ perPeer: { first: 5, most: 20 } });
    const abort = new AbortController();
    const held = Array.from({ length: 105 }, () => send(to.port, { signal: abort.signal }));
    assert.equal(await send(to.port), "failed at connect");
    const other = await peer();
    assert.equal(await send(other.port), TAKEN);
    abort.abort();
    await Promise.all(held);
    assert.ok(to.sockets.length <= 5);
  });

  test("an abort ends the message and its session, and reaches no later message", async () => {
    const stuck = Promise.withResolvers<void>();
    const to = await peer((session, _, line) => {
      if (session !== 0 || line !== "DATA") return {};
      stuck.resolve();
      return { DATA: "" };
    });
    const { send } = pool();
    const abort = new AbortController();
    const message = send(to.port, { signal: abort.signal });
    await stuck.promise;
    abort.abort();
    assert.match((await message) ?? "", /^temporary 451/);
    await to.ended(0);
    const calm = new AbortController();
    assert.equal(await send(to.port, { signal: calm.signal }), TAKEN);
    calm.abort();
    assert.equal(await send(to.port), TAKEN);
    assert.deepEqual(to.taken, [1, 1]);
  });
});
