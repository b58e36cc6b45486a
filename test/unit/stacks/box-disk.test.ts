import assert from "node:assert/strict";
import { it } from "node:test";
import { boxDisk } from "../../../stacks/box-disk.ts";
import { parseSize } from "../../../stacks/size.ts";

const MEBIBYTE = 2 ** 20;

for (const quota of [1, 50, 1_024, 1_048_576].map((mebibytes) => mebibytes * MEBIBYTE)) {
  it(`a box with a quota of ${quota / MEBIBYTE} MB may have more than Dovecot lets its person have`, () => {
    const { bytes, files } = boxDisk(quota, 1_000);
    // Twice the quota in short messages; and a message by IMAP while it comes in (docs/operations.md, A box's disk).
    assert.ok(bytes >= 2 * quota + 100 * MEBIBYTE);
    // As many messages as the entrypoint of the box allows, twice, and all folders.
    assert.ok(files >= 2 * (Math.floor(quota / 4_096) + 100) + 1_000 * 8);
    assert.ok(bytes <= 3 * quota + 256 * MEBIBYTE);
  });
}

it("a box whose person may have all there is has a limit that the file system can hold", () => {
  const { bytes, files } = boxDisk(parseSize("999999TB") ?? 0, 100_000);
  assert.deepEqual([bytes, files], [2 ** 50, 1e9]);
});
