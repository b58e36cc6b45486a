import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Gathering, Room, type RoomSizes, roomFor } from "../../../mailserver/net/room.ts";

const CLIENT = "192.0.2.1";
const roomOf = (all: number, more: Partial<RoomSizes> = {}): Room =>
  new Room({ all, client: all, reserve: 0, small: 0, ...more });

/** A message of so many bytes, or as many as there was room for. */
function gather(room: Room, client: string, bytes: number): Gathering {
  const message = new Gathering(room, client);
  message.add(Buffer.alloc(bytes));
  return message;
}

test("a message comes out as it came in, whatever its pieces", () => {
  for (const piece of [1, 3, 4_095, 4_096, 4_097, 65_536, 300_001]) {
    const room = roomOf(1_000_000);
    const message = new Gathering(room, CLIENT);
    const whole = Buffer.from(Array.from({ length: 300_001 }, (_, index) => index % 251));
    for (let at = 0; at < whole.length; at += piece) message.add(whole.subarray(at, at + piece));
    assert.equal(
      message.take(Buffer.from("before")).compare(Buffer.concat([Buffer.from("before"), whole])),
      0,
    );
    message.release();
    assert.equal(gather(room, CLIENT, 1_000_000).full, false, "the room is free again");
  }
});

test("an empty message is empty", () => {
  assert.equal(new Gathering(roomOf(1), CLIENT).take().length, 0);
});

test("a message in tiny pieces takes no more memory than one in large ones", () => {
  const message = new Gathering(roomOf(10_000_000), CLIENT);
  const piece = Buffer.from(".\r\n");
  const held = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  const before = held();
  for (let count = 0; count < 1_000_000; count++) message.add(piece);
  assert.ok(held() - before < 30_000_000, `${held() - before} bytes for 3,000,000`);
  assert.equal(message.take().length, 3_000_000);
});

test("what follows a piece without room is not kept, and the room comes back once", () => {
  const room = roomOf(10);
  const message = new Gathering(room, CLIENT);
  for (const text of ["12345678", "9abc", "de"]) message.add(Buffer.from(text));
  assert.equal(message.full, true);
  message.release();
  message.release();
  assert.equal(gather(room, CLIENT, 10).full, false);
  assert.equal(gather(room, CLIENT, 1).full, true);
});

test("one client can't take the room of the others", () => {
  const room = roomOf(10, { client: 6 });
  const first = gather(room, "192.0.2.1", 6);
  assert.equal(first.full, false);
  assert.equal(gather(room, "192.0.2.1", 1).full, true);
  assert.equal(gather(room, "192.0.2.2", 4).full, false);
  first.release();
  assert.equal(gather(room, "192.0.2.1", 6).full, false);
});

/** Who holds how much, and whether it has come in whole. */
type Held = readonly [client: string, bytes: number, whole?: "whole"];
const SHARED: RoomSizes = { all: 120, client: 60, reserve: 20, small: 10 };
/** What is there, what comes, and which then has no room: a place among the first, or the last. */
const CASES: Readonly<Record<string, readonly [readonly Held[], Held, number | "comes" | "nobody"]>> = {
  "with room for all nobody gives way": [[["a", 50]], ["b", 50], "nobody"],
  "a stranger who holds most gives way": [
    [
      ["a", 60],
      ["b", 40],
    ],
    ["c", 30],
    0,
  ],
  "with several messages, by the largest": [
    [
      ["a", 20],
      ["a", 40],
      ["b", 40],
    ],
    ["c", 30],
    1,
  ],
  "who holds most, not whose message is the largest": [
    [
      ["a", 20],
      ["a", 30],
      ["b", 40],
    ],
    ["c", 30],
    1,
  ],
  "two strangers leave a third as much as they have": [
    [
      ["a", 50],
      ["b", 50],
    ],
    ["c", 49],
    0,
  ],
  "and no more": [
    [
      ["a", 50],
      ["b", 50],
    ],
    ["c", 50],
    "comes",
  ],
  "for a small message too, when nothing else is left": [
    [
      ["a", 60],
      ["b", 40],
      ["c", 10],
      ["d", 10],
    ],
    ["e", 10],
    0,
  ],
  "one's own large message for one's small one": [
    [
      ["a", 59],
      ["b", 41],
      ["c", 10],
      ["d", 10],
    ],
    ["a", 1],
    0,
  ],
  "but not beyond what one client may have": [[["a", 60]], ["a", 1], "comes"],
  "what has come in whole stays": [
    [
      ["a", 60, "whole"],
      ["b", 40],
    ],
    ["c", 30],
    1,
  ],
  "also of a client with another that is not": [
    [
      ["a", 40, "whole"],
      ["a", 20],
      ["b", 40],
    ],
    ["c", 20],
    1,
  ],
  "and so does all, where it is all whole": [
    [
      ["a", 60, "whole"],
      ["b", 40, "whole"],
    ],
    ["c", 30],
    "comes",
  ],
  "nobody has to go for one who has no room after all": [
    [
      ["a", 50, "whole"],
      ["b", 30, "whole"],
      ["c", 10],
      ["c", 10],
      ["c", 10],
      ["c", 10],
    ],
    ["d", 30],
    "comes",
  ],
  "who holds most by what stays does not have to go for nothing": [
    [
      ["a", 50, "whole"],
      ["a", 5],
      ["b", 45],
    ],
    ["c", 30],
    2,
  ],
  "a small message has room when large ones hold theirs": [
    [
      ["a", 60, "whole"],
      ["b", 40, "whole"],
    ],
    ["c", 10],
    "nobody",
  ],
  "a large one does not have that of small ones": [
    [
      ["a", 50, "whole"],
      ["b", 49, "whole"],
    ],
    ["c", 11],
    "comes",
  ],
};
describe("in a full room", () => {
  for (const [name, [there, coming, want]] of Object.entries(CASES)) {
    test(name, () => {
      const room = new Room(SHARED);
      const messages = [...there, coming].map(([client, bytes, whole]) => {
        const message = gather(room, client, bytes);
        if (whole !== undefined) message.take();
        return message;
      });
      const full = messages.flatMap((message, index) => (message.full ? [index] : []));
      assert.deepEqual(full, want === "nobody" ? [] : [want === "comes" ? there.length : want]);
      for (const message of messages) message.release();
      assert.equal(room.held, 0);
    });
  }
});

/** The same numbers in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield state / 2_147_483_648;
  }
}

const MANY: RoomSizes = { all: 1_000, client: 600, reserve: 100, small: 20 };

/** Messages of several clients that grow and end. */
class Crowd {
  readonly room = new Room(MANY);
  readonly #upTo: (end: number) => number;
  readonly #clients: number;
  open: Gathering[] = [];

  constructor(seed: number) {
    const random = numbers(seed);
    this.#upTo = (end) => Math.floor(random.next().value * end);
    this.#clients = 2 + (seed % 8);
  }

  /** One step; of each message that was lost, what its client had or wanted to have, and how many clients there were. */
  step(): { readonly wanted: number; readonly clients: number }[] {
    this.open = this.open.filter((one) => !one.full);
    const old = this.#upTo(3) === 0 ? undefined : this.open[this.#upTo(this.open.length)];
    const message = old ?? new Gathering(this.room, `c${this.#upTo(this.#clients)}`);
    this.open = this.open.filter((one) => one !== message);
    if (this.#upTo(5) > 0) return this.#add(message);
    message.release();
    return [];
  }

  #add(message: Gathering) {
    const more = 1 + this.#upTo(200);
    const held = new Map<string, number>([[message.client, more]]);
    this.open.push(message);
    for (const { client, bytes } of this.open) held.set(client, (held.get(client) ?? 0) + bytes);
    message.add(Buffer.alloc(more));
    const lost = this.open.filter((one) => one.full);
    return lost.map(({ client }) => ({ wanted: held.get(client) ?? 0, clients: held.size }));
  }
}

test("of n clients none is refused for the others' sake while it holds no more than an nth, and no sum is ever wrong", () => {
  let losses = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const crowd = new Crowd(seed);
    for (let step = 0; step < 300; step++) {
      for (const { wanted, clients } of crowd.step()) {
        losses += 1;
        const fair = Math.min(MANY.client, (MANY.all - MANY.reserve) / clients);
        assert.ok(wanted > fair, `${wanted} of one of ${clients} (seed ${seed})`);
      }
      const sum = crowd.open.reduce((all, { bytes }) => all + bytes, 0);
      assert.equal(crowd.room.held, sum);
      assert.ok(sum <= MANY.all);
    }
  }
  assert.ok(losses > 1_000, `${losses}`);
});

for (const whole of [true, false]) {
  test(`two clients, whatever they send, leave room for small messages, ${whole ? "also when theirs are whole" : "and a third client's greatest"}`, () => {
    const greatest = 26_214_400;
    const room = new Room(roomFor(greatest));
    for (const client of ["a", "b"]) {
      for (const bytes of [greatest, greatest / 2, 1, 1]) {
        const message = gather(room, client, bytes);
        if (whole && !message.full) message.take();
      }
    }
    const small = Array.from({ length: 20 }, (_, index) => gather(room, `c${index}`, 262_144));
    assert.ok(small.every(({ full }) => !full));
    assert.equal(gather(room, "d", greatest).full, whole);
  });
}
