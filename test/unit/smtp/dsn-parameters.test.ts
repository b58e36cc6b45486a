import assert from "node:assert/strict";
import { test } from "node:test";
import {
  asOriginal,
  fitsOrcpt,
  readOrcpt,
  writeRcptParameters,
} from "../../../mailserver/smtp/dsn-parameters.ts";

/** What a local part is made of, and of how many it may be at most beside `@b.test`. */
const CASES: Readonly<Record<string, readonly [string, number]>> = {
  "plain letters": ["x", 486],
  "letters that are escaped": ["=", 162],
  "letters beyond ASCII": ["\u00fc", 81],
  "letters beyond 16 bits": ["\u{1d4d0}", 54],
};
for (const [name, [letter, most]] of Object.entries(CASES)) {
  test(`ORCPT of ${name}: what is written is taken, and what would not be is left out`, () => {
    for (let count = 1; count <= 600; count++) {
      const original = asOriginal(`${letter.repeat(count)}@b.test`);
      const fits = count <= most;
      assert.equal(fitsOrcpt(original), fits, `${count}`);
      const words = writeRcptParameters({ notify: [], orcpt: original });
      const [, value] = / ORCPT=(.*)/.exec(words) ?? [];
      assert.equal(value !== undefined, fits);
      assert.match(words, /^ NOTIFY=NEVER/);
      if (value !== undefined) assert.deepEqual(readOrcpt(value, false), original);
    }
  });
}
