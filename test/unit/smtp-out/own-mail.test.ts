import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import type { NewRecipient } from "../../../mailserver/queue/item.ts";
import { toPlaces } from "../../../mailserver/smtp-out/own-mail.ts";
import { item } from "../../support/queue.ts";

const FORWARDS: Readonly<Record<string, string | undefined>> = {
  "alice@semail.test": undefined,
  "carol@semail.test": "carol@elsewhere.test",
  "odd@semail.test": "a..b.@docomo.test",
  "gus@semail.test": "no address",
  "dora@semail.test": "Carol@semail.test",
};
const directory = {
  findRecipient: async (address: string): Promise<RecipientAnswer> => {
    if (address === "down@semail.test") throw new DirectoryUnavailable("down");
    if (!Object.hasOwn(FORWARDS, address)) return { kind: "absent" };
    const forward = FORWARDS[address];
    return { kind: "box", uid: address, host: "box", ...(forward !== undefined && { forward }) };
  },
};
const deps = { directory, rules: { domains: ["semail.test"] }, log: silentLog };
const local = (address: string): NewRecipient => ({ address, destination: `local:${address.toLowerCase()}` });
const copy = (address: string, original: string): NewRecipient => ({
  address,
  destination: `mx:${address.split("@")[1]}`,
  originals: [original],
});
const sent = async (...recipients: NewRecipient[]): Promise<readonly NewRecipient[]> =>
  (await toPlaces(item("a", [], { recipients }), deps)).recipients;

describe("what we write ourselves goes to", () => {
  const cases: Readonly<Record<string, readonly [NewRecipient, readonly NewRecipient[]]>> = {
    "the box of who has no forward": [local("alice@semail.test"), []],
    "the box and the forward": [
      local("carol@semail.test"),
      [copy("carol@elsewhere.test", "carol@semail.test")],
    ],
    "the same by a tag, in any case": [
      local("Carol+list@semail.test"),
      [copy("carol@elsewhere.test", "Carol+list@semail.test")],
    ],
    "the forward without word of success, which is told of the box (RFC 3461 section 5.2.7.2)": [
      { ...local("carol@semail.test"), notify: ["SUCCESS", "FAILURE"] },
      [{ ...copy("carol@elsewhere.test", "carol@semail.test"), notify: ["FAILURE"] }],
    ],
    "a forward as its host calls it": [
      local("odd@semail.test"),
      [copy("a..b.@docomo.test", "odd@semail.test")],
    ],
    "the box alone where the forward is no address": [local("gus@semail.test"), []],
    "a colleague, and never on from there": [
      local("dora@semail.test"),
      [{ ...local("Carol@semail.test"), originals: ["dora@semail.test"] }],
    ],
    "nobody else where the person is gone": [local("gone@semail.test"), []],
    "a stranger as before": [{ address: "x@one.test", destination: "mx:one.test", notify: [] }, []],
  };
  for (const [name, [recipient, more]] of Object.entries(cases)) {
    test(name, async () => assert.deepEqual(await sent(recipient), [recipient, ...more]));
  }

  test("each place once", async () => {
    const [box, elsewhere] = [local("carol@semail.test"), copy("carol@elsewhere.test", "carol@semail.test")];
    assert.deepEqual(await sent(local("carol@semail.test"), local("carol@semail.test")), [box, elsewhere]);
  });

  test("both with what is to be told of it: an automatic reply asks for nothing", async () => {
    const found = await sent({ ...local("carol@semail.test"), notify: [] });
    assert.deepEqual(
      found.map(({ notify }) => notify),
      [[], []],
    );
  });

  test("nobody while the directory does not say where", async () => {
    await assert.rejects(sent(local("down@semail.test")), DirectoryUnavailable);
  });
});

test("what we write ourselves is otherwise as it was", async () => {
  const before = item("a", [], { recipients: [local("carol@semail.test")] });
  assert.deepEqual({ ...(await toPlaces(before, deps)), recipients: before.recipients }, before);
});
