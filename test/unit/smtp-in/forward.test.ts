import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as replies from "../../../mailserver/smtp/replies.ts";
import { box, relay, send, session, start } from "./support.ts";

describe("a person with a forward address", () => {
  test("gets the message in both places", async () => {
    const [to, out] = [await box(), await relay()];
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), ["250 2.1.5", "250 2.0.0"]);
    assert.deepEqual(out.messages[0]?.to, ["frank@foreign.example"]);
    assert.equal(out.messages[0]?.from, "bob@foreign.example");
    assert.equal(to.messages[0]?.text, out.messages[0]?.text);
  });

  test("the relay is down, or refuses for now: the box is not asked", async () => {
    const to = await box();
    const busy = await relay({ policy: { message: () => ({ kind: "refuse", reply: replies.localError }) } });
    for (const relayPort of [1, busy.listener.port]) {
      const client = await session(await start({ lmtpPort: to.listener.port, relayPort }));
      assert.deepEqual(await send(client, ["frank@semail.test"]), ["250 2.1.5", "451 4.4.0"]);
    }
    assert.equal(to.messages.length, 0);
  });

  test("the relay refuses the login: our fault, so temporary", async () => {
    const to = await box();
    const out = await relay({ policy: { auth: () => ({ kind: "refuse", reply: replies.authFailed }) } });
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), ["250 2.1.5", "451 4.4.0"]);
  });

  test("the relay refuses for good: the sender hears it", async () => {
    const to = await box();
    const out = await relay({ policy: { rcpt: () => ({ kind: "refuse", reply: replies.noSuchRecipient }) } });
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), ["250 2.1.5", "554 5.7.1"]);
    assert.equal(to.messages.length, 0);
  });

  test("the box is down after the relay took it: temporary, never 250", async () => {
    const out = await relay();
    const client = await session(await start({ lmtpPort: 1, relayPort: out.listener.port }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), ["250 2.1.5", "451 4.3.0"]);
    assert.equal(out.messages.length, 1);
  });
});
