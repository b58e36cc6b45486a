import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AutoReply, decideReply } from "../../../mailserver/policy/auto-reply.ts";

const usual: AutoReply = {
  recipient: "Sender@Elsewhere.test",
  authors: { kind: "clear", from: ["alice@semail.test"], others: [] },
  autoSubmitted: ["auto-replied (vacation)"],
  forged: false,
};
const senders = new Map([["sender@elsewhere.test", 1]]);

describe("a reply that a box wrote by itself", () => {
  for (const [what, more, wanted] of [
    ["goes to who wrote to it", {}, { kind: "send", sender: 1, author: "alice@semail.test" }],
    [
      "is left where nobody knows that its recipient wrote",
      { recipient: "victim@elsewhere.test" },
      { kind: "leave" },
    ],
    ["says that it is one", { autoSubmitted: [] }, "drop"],
    ["is no notification", { autoSubmitted: ["auto-generated"] }, "drop"],
    ["says so once", { autoSubmitted: ["auto-replied", "no"] }, "drop"],
    ["has no field of ours", { forged: true }, "drop"],
    ["has an author", { authors: { kind: "missing" } }, "drop"],
    ["has one author", { authors: { kind: "clear", from: ["a@b.test", "c@b.test"], others: [] } }, "drop"],
    [
      "has no other sender",
      {
        authors: {
          ...{ kind: "clear", from: ["alice@semail.test"] },
          others: [{ field: "Sender", address: "ceo@semail.test" }],
        },
      },
      "drop",
    ],
  ] as [string, Partial<AutoReply>, unknown][]) {
    it(what, () => {
      const verdict = decideReply({ ...usual, ...more }, senders);
      assert.deepEqual(wanted === "drop" ? verdict.kind : verdict, wanted);
    });
  }
});
