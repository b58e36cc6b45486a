import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askResolver } from "../../../stacks/dns/look.ts";

describe("the machine's resolver", () => {
  const failing = (codes: readonly string[]) => {
    const asked: string[] = [];
    const fail = async (name: string): Promise<never> => {
      asked.push(name);
      throw Object.assign(new Error(name), { code: codes[asked.length - 1] });
    };
    const all = {
      resolve4: fail,
      resolve6: fail,
      resolveMx: fail,
      resolveNs: fail,
      resolveTxt: fail,
      reverse: fail,
    };
    return { asked, resolver: askResolver(all) };
  };

  it("is asked on after a name that is broken, and no more once it is silent", async () => {
    const { asked, resolver } = failing(["ESERVFAIL", "ENOTFOUND", "ETIMEOUT"]);
    const found = [];
    for (const name of ["broken.example", "none.example", "slow.example", "more.example"])
      found.push(await resolver.ask(name, "TXT"));
    assert.deepEqual(found, [undefined, [], undefined, undefined]);
    assert.deepEqual(asked, ["broken.example", "none.example", "slow.example"]);
  });
});
