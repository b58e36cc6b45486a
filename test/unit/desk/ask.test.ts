import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { askDesks, deskSocket } from "../../../mailserver/desk/ask.ts";
import { NOTHING } from "../../../mailserver/desk/words.ts";
import { temporaryFolder } from "../../support/queue.ts";

const LIST = { verb: "list", limit: 10 } as const;
const WELL = `${JSON.stringify({ ...NOTHING, counts: { ...NOTHING.counts, items: 3 } })}\n`;

const ways: readonly [string, (socket: Socket) => void][] = [
  ["says nothing", () => undefined],
  ["stops in the middle of its answer", (socket) => void socket.write(WELL.slice(0, 20))],
  ["hangs up", (socket) => void socket.destroy()],
  ["answers something else", (socket) => void socket.end("{}")],
];
for (const [way, serve] of ways)
  test(`a worker that ${way} is named, and what the others have is told`, { timeout: 10_000 }, async () => {
    await using folder = await temporaryFolder();
    const answers: Record<string, (socket: Socket) => void> = {
      ill: serve,
      well: (socket) => void socket.end(WELL),
    };
    const servers = Object.entries(answers).map(([name, answer]) =>
      createServer({ allowHalfOpen: true }, (socket) => {
        answer(socket.on("error", () => undefined).resume());
      }).listen(deskSocket(folder.path, name)),
    );
    try {
      for (const server of servers) if (!server.listening) await once(server, "listening");
      const { counts, silent } = await askDesks(folder.path, LIST, 100);
      assert.deepEqual([counts.items, silent], [3, ['The worker "ill"']]);
    } finally {
      for (const server of servers) server.close();
    }
  });
