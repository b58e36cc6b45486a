/** From which addresses a copy is sent on, which it tells its recipient. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sentOnFor } from "../../../mailserver/queue/route.ts";

describe("a copy says from where it was sent on:", () => {
  const cases: Readonly<
    Record<string, readonly [destination: string, address: string, originals: string[], told: string[]]>
  > = {
    "nowhere that nobody sent on": ["mx:y.example", "x@y.example", [], []],
    "our people's addresses": ["mx:y.example", "x@y.example", ["a@semail.test"], ["a@semail.test"]],
    "not its own recipient's, to whom it was written too": [
      "mx:y.example",
      "x@y.example",
      ["a@semail.test", "x@y.example"],
      ["a@semail.test"],
    ],
    "nor that in another script": [
      "mx:xn--bcher-kva.example",
      "x@bücher.example",
      ["a@semail.test", "x@xn--bcher-kva.example"],
      ["a@semail.test"],
    ],
    "nor that in quotes": ["mx:y.example", "x@y.example", ['"x"@Y.example'], []],
    "but who is somebody else by the case of their name": [
      "mx:y.example",
      "x@y.example",
      ["X@y.example"],
      ["X@y.example"],
    ],
    "nothing in a box of ours": ["local:b@semail.test", "b@semail.test", ["a@semail.test"], []],
  };
  for (const [name, [destination, address, originals, told]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(sentOnFor({ destination, address, originals }), told));
  }
});
