/** Which part of a log is written again: what SQLite takes for it, and nothing that is left over behind its end. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, mock, test } from "node:test";
import { LOG } from "../../../mailserver/queue/database.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { writeAgain } from "../../../mailserver/queue/write-again.ts";
import { item, temporaryFolder } from "../../support/queue.ts";
import { killedQueue } from "./log-support.ts";

const PAGE_BYTES = 512;
const [now, before] = ["newsalts", "oldsalts"];

/** https://sqlite.org/fileformat2.html#the_write_ahead_log, without its checksums. */
function head(salts: string, pageBytes = PAGE_BYTES): Buffer {
  const bytes = Buffer.alloc(32, "h");
  bytes.writeUInt32BE(pageBytes, 8);
  bytes.write(salts, 16);
  return bytes;
}
function frame(salts: string, pageBytes = PAGE_BYTES): Buffer {
  const bytes = Buffer.alloc(24 + pageBytes, "f");
  bytes.write(salts, 8);
  return bytes;
}

/** What the file has, and how many of its parts are written. */
const logs: Readonly<Record<string, readonly [parts: readonly Buffer[], written: number]>> = {
  "nothing of an empty file": [[], 0],
  "nothing of half a head": [[Buffer.alloc(31, "h")], 0],
  "a head alone": [[head(now)], 1],
  "all of it": [[head(now), frame(now), frame(now), frame(now)], 4],
  "pages of any size": [[head(now, 65_536), frame(now, 65_536), frame(now, 65_536)], 3],
  "not the half of a frame": [[head(now), frame(now), frame(now).subarray(0, 300)], 2],
  "not what is left over": [[head(now), frame(now), frame(before), frame(before)], 2],
  "not what is left over behind a head": [[head(now), frame(before)], 1],
  "no frames without a size": [[head(now, 0), frame(now)], 1],
  "no frames of no size": [[head(now, 0xffff_ffff), frame(now)], 1],
};

/** What is written to the file meanwhile, piece by piece, and no more than `most` bytes at once. */
function written(work: () => void, most = Number.POSITIVE_INFINITY): [at: number, bytes: Buffer][] {
  const pieces: [number, Buffer][] = [];
  const { writeSync } = fs;
  const writes = mock.method(fs, "writeSync", (...of: [number, Buffer, number, number, number]) => {
    const [file, piece, from, length, at] = of;
    const some = Math.min(length, most);
    pieces.push([at, Buffer.from(piece.subarray(from, from + some))]);
    return writeSync(file, piece, from, some, at);
  });
  syncBuiltinESMExports();
  try {
    work();
  } finally {
    writes.mock.restore();
    syncBuiltinESMExports();
  }
  return pieces;
}

describe("of a log is written again:", () => {
  for (const [what, [parts, count]] of Object.entries(logs)) {
    for (const most of [Number.POSITIVE_INFINITY, 100]) {
      test(`${what}, ${most} bytes at once at most`, async () => {
        await using folder = await temporaryFolder();
        const path = join(folder.path, "log");
        const content = Buffer.concat(parts);
        fs.writeFileSync(path, content);
        const pieces = written(() => writeAgain(path), most);
        let end = 0;
        for (const [at, { length }] of pieces) {
          assert.equal(at, end);
          end += length;
        }
        const again = Buffer.concat(pieces.map(([, bytes]) => bytes));
        assert.ok(again.equals(Buffer.concat(parts.slice(0, count))));
        assert.ok(fs.readFileSync(path).equals(content));
      });
    }
  }

  test("nothing where there is none", async () => {
    await using folder = await temporaryFolder();
    assert.deepEqual(
      written(() => writeAgain(join(folder.path, "log"))),
      [],
    );
    assert.deepEqual(fs.readdirSync(folder.path), []);
  });
});

test("a bad sector behind the end of the log keeps no queue from starting", async () => {
  const body = Buffer.alloc(6_000_000, "a");
  // With the second the log begins anew.
  await using killed = await killedQueue(item("a", ["bob@one.test"], { body }), item("b", ["bob@one.test"]));
  const bad = fs.statSync(join(killed.path, LOG)).size / 2;
  const { readSync } = fs;
  const reads = mock.method(fs, "readSync", (...of: [number, Buffer, number, number, number]) => {
    const [, , , length, at] = of;
    if (at + length > bad) throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
    return readSync(...of);
  });
  syncBuiltinESMExports();
  try {
    const next = new Store({ dir: killed.path });
    assert.equal(next.counts().items, 2);
    next.close();
  } finally {
    reads.mock.restore();
    syncBuiltinESMExports();
  }
});
