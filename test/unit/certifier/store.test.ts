/** What the certifier remembers, over versions. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openStore, type State } from "../../../mailserver/certifier/store.ts";
import { temporaryFolder } from "../../support/queue.ts";

const STATE: State = {
  ...{ since: 1, issuedAt: 20, failedAt: 30, failures: 2, code: "rateLimited", retryAt: 40, version: "v" },
  ...{ issuedBy: "https://one.example/", failedBy: "https://two.example/" },
  left: [{ zone: "example.org", name: "_acme-challenge.mx", value: "proof" }],
};
/** What a state had before it said of which authority; what was written then is refused with anything more in it. */
const FIRST = ["code", "failedAt", "failures", "issuedAt", "left", "retryAt", "since", "version"];

describe("the certifier's memory", () => {
  it("is what was saved, in a file that the first versions read", async () => {
    await using folder = await temporaryFolder();
    const { save, state } = openStore(folder.path);
    await save(STATE);
    assert.deepEqual(await state(), STATE);
    const written = JSON.parse(await readFile(join(folder.path, "state.json"), "utf8"));
    assert.deepEqual(Object.keys(written).sort(), FIRST);
  });

  for (const [what, change, authorities] of [
    ["knows nothing of who issued what an earlier version had issued since", { issuedAt: 21 }, ["failedBy"]],
    ["nor of whom it asked in vain", { failedAt: 31 }, ["issuedBy"]],
    [
      "knows what a state says itself that was written before there were two files",
      STATE,
      ["failedBy", "issuedBy"],
    ],
    ["lets be what a later version wrote", { renewals: 3 }, ["failedBy", "issuedBy"]],
  ] as const)
    it(what, async () => {
      await using folder = await temporaryFolder();
      const { save, state } = openStore(folder.path);
      await save(STATE);
      const file = join(folder.path, "state.json");
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
      const { retryAt, left, ...known } = (await state()) ?? assert.fail();
      assert.deepEqual([retryAt, left], [STATE.retryAt, STATE.left]);
      assert.deepEqual(
        Object.keys(known)
          .filter((key) => key.endsWith("By"))
          .sort(),
        authorities,
      );
    });
});
