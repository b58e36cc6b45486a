import assert from "node:assert/strict";
import { test } from "node:test";
import { askThrough, type Source } from "../../../tools/doctor/ask.ts";

const RESOLVER: Source = { label: "resolver", kind: "resolver", server: { host: "192.0.2.53", port: 53 } };

/** What is found when the resolver answers so, one answer after the other. */
async function foundBy(rcodes: readonly string[]) {
  const left = [...rcodes];
  const query = (async () => ({ rcode: left.shift() ?? "NXDOMAIN", answers: [] })) as unknown as Parameters<
    typeof askThrough
  >[1];
  const found = await askThrough(RESOLVER, query)("name.test", "TXT");
  return { found, asked: rcodes.length - left.length };
}

test("a resolver that fails once is asked again, and one that fails twice does not answer", async () => {
  assert.deepEqual(await foundBy(["NXDOMAIN", "SERVFAIL"]), { found: [], asked: 1 });
  assert.deepEqual(await foundBy(["SERVFAIL", "NXDOMAIN"]), { found: [], asked: 2 });
  assert.deepEqual(await foundBy(["SERVFAIL", "SERVFAIL", "NXDOMAIN"]), { found: undefined, asked: 2 });
});
