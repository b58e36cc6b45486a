/** Replies to a client that does not read them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { after, test } from "node:test";
import { ReplyWriter } from "../../../mailserver/net/reply-writer.ts";
import { TurnEnd } from "../../../mailserver/net/turn-end.ts";

const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
await once(server, "listening");
after(() => server.close());

/** More than the system keeps for a client that does not read. */
const MUCH = "x".repeat(16 * 1024 * 1024);

async function pair(): Promise<[ours: Socket, theirs: Socket]> {
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const theirs = connect(address.port, "127.0.0.1").on("error", () => {});
  const [ours] = (await once(server, "connection")) as [Socket];
  return [ours, theirs];
}

test("what was said in a turn is one write, at its end", async () => {
  const [ours, theirs] = await pair();
  const writer = new ReplyWriter(ours, new TurnEnd(), 60_000);
  for (const word of ["one ", "two"]) {
    writer.say(word);
    writer.soon(() => assert.fail("it has room"));
  }
  assert.equal(ours.bytesWritten, 0);
  assert.equal(String((await once(theirs, "data"))[0]), "one two");
  theirs.destroy();
  ours.destroy();
});

test("whoever says more hears that a client has to read first, and when it has", async () => {
  const [ours, theirs] = await pair();
  const writer = new ReplyWriter(ours, new TurnEnd(), 60_000);
  const full = Promise.withResolvers<void>();
  writer.say(MUCH);
  writer.soon(full.resolve);
  await full.promise;
  const drained = writer.drained();
  assert.ok(ours.writableNeedDrain);
  theirs.resume();
  await drained;
  assert.ok(!ours.writableNeedDrain && !ours.destroyed);
  theirs.destroy();
  ours.destroy();
});

test("a client that reads nothing for its time is cut off", async () => {
  const [ours, theirs] = await pair();
  const writer = new ReplyWriter(ours, new TurnEnd(), 50);
  writer.say(MUCH);
  await writer.flush();
  assert.ok(ours.destroyed);
  theirs.destroy();
});
