import assert from "node:assert/strict";
import { test } from "node:test";
import { Gathering, Room } from "../../../mailserver/net/room.ts";

const CLIENT = "192.0.2.1";

test("a message comes out as it came in, whatever its pieces", () => {
  for (const piece of [1, 3, 4_095, 4_096, 4_097, 65_536, 300_001]) {
    const room = new Room(1_000_000);
    const message = new Gathering(room, CLIENT);
    const whole = Buffer.from(Array.from({ length: 300_001 }, (_, index) => index % 251));
    for (let at = 0; at < whole.length; at += piece) message.add(whole.subarray(at, at + piece));
    assert.equal(
      message.take(Buffer.from("before")).compare(Buffer.concat([Buffer.from("before"), whole])),
      0,
    );
    message.release();
    assert.ok(room.take(CLIENT, 1_000_000), "the room is free again");
  }
});

test("an empty message is empty", () => {
  assert.equal(new Gathering(new Room(1), CLIENT).take().length, 0);
});

test("a message in tiny pieces takes no more memory than one in large ones", () => {
  const message = new Gathering(new Room(10_000_000), CLIENT);
  const piece = Buffer.from(".\r\n");
  const held = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  const before = held();
  for (let count = 0; count < 1_000_000; count++) message.add(piece);
  assert.ok(held() - before < 30_000_000, `${held() - before} bytes for 3,000,000`);
  assert.equal(message.take().length, 3_000_000);
});

test("what follows a piece without room is not kept, and the room comes back once", () => {
  const room = new Room(10);
  const message = new Gathering(room, CLIENT);
  for (const text of ["12345678", "9abc", "de"]) message.add(Buffer.from(text));
  assert.equal(message.full, true);
  message.release();
  message.release();
  assert.equal(room.take(CLIENT, 10), true);
  assert.equal(room.take(CLIENT, 1), false);
});

test("one client can't take the room of the others", () => {
  const room = new Room(10, 6);
  assert.equal(room.take("192.0.2.1", 6), true);
  assert.equal(room.take("192.0.2.1", 1), false);
  assert.equal(room.take("192.0.2.2", 4), true);
  room.give("192.0.2.1", 6);
  assert.equal(room.take("192.0.2.1", 6), true);
});
