import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { createSecureContext } from "node:tls";
import { collectReplies } from "../../../mailserver/courier/reply-door.ts";

test("a box that says nothing is left when the signal says so", { timeout: 5_000 }, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const end = new AbortController();
  const place = { host: "127.0.0.1", port, door: createSecureContext() };
  const visit = collectReplies(place, async () => true, end.signal);
  const [socket] = await once(server, "connection");
  socket.on("error", () => {});
  end.abort();
  await assert.rejects(visit, /aborted/);
  socket.destroy();
  server.close();
});
