/** Bounces of what was sent on find the way to who sent it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rewrite } from "../../../mailserver/policy/srs.ts";
import { makeAddress, parseEnvelopeAddress } from "../../../mailserver/smtp/address.ts";
import { zoneQuery } from "../../support/zone.ts";
import { ACCEPTED, box, IMPATIENT, relay, send, session, start } from "./support.ts";

describe("a bounce of forwarded mail", () => {
  const srsSecret = "secret-for-tests-0123";
  const rules = { domains: ["semail.test"], secret: srsSecret };
  const path = rewrite(makeAddress("bob", "foreign.example"), rules, Date.now())?.text ?? "";
  const begin = async () => {
    const [to, out] = [await box(), await relay()];
    const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
    return { to, out, client: await session(await start({ ...ports, settings: { srsSecret } })) };
  };

  test("goes to who sent it", async () => {
    const { to, out, client } = await begin();
    assert.deepEqual(await send(client, [path], undefined, ""), ACCEPTED);
    await out.reached(1);
    assert.deepEqual([out.messages[0]?.from, out.messages[0]?.to], ["", ["bob@foreign.example"]]);
    assert.equal(to.messages.length, 0);
  });

  for (const sender of ["a..b@foreign.example", ".x.@news_letter.example"]) {
    test(`goes to ${sender}, who sent it`, async () => {
      const { out, client } = await begin();
      const from = rewrite(parseEnvelopeAddress(sender) ?? null, rules, Date.now())?.text ?? "";
      assert.deepEqual(await send(client, [from], undefined, ""), ACCEPTED);
      await out.reached(1);
      assert.deepEqual(out.messages[0]?.to, [sender]);
    });
  }

  test("goes to a person of ours as well", async () => {
    const { to, out, client } = await begin();
    assert.deepEqual(await send(client, [path, "alice@semail.test"], undefined, ""), [
      "250 2.1.5",
      ...ACCEPTED,
    ]);
    await out.reached(1);
    assert.deepEqual(out.messages[0]?.to, ["bob@foreign.example"]);
    assert.equal(to.messages.length, 1);
  });

  test("is no way to send mail to strangers", async () => {
    const { client } = await begin();
    assert.deepEqual(await send(client, [path]), ["550 5.7.1"]);
    const forged = path.replace("foreign.example", "victim.example");
    assert.deepEqual(await send(client, [forged], undefined, ""), ["550 5.1.1"]);
  });

  test("is refused, whoever else it is for, where its author says to be of ours", async () => {
    const { to, out, client } = await begin();
    const text = "From: ceo@semail.test\r\n\r\nhi\r\n";
    const found = await send(client, [path, "alice@semail.test"], text, "");
    assert.deepEqual(found, ["250 2.1.5", "250 2.1.5", "550 5.7.1"]);
    assert.deepEqual([to.messages.length, out.messages.length], [0, 0]);
  });

  describe("whose author may be taken for one of ours", () => {
    const OURS = "mail.org.example";
    const back =
      rewrite(makeAddress("bob", "foreign.example"), { domains: [OURS], secret: srsSecret }, Date.now())
        ?.text ?? "";
    const policies = {
      "_dmarc.org.example": "v=DMARC1; p=quarantine",
      "_dmarc.mail.org.example": "v=DMARC1; p=none",
    };
    type Row = readonly [helo: string, author: string, spf: string, answers: readonly string[]];
    const cases: Readonly<Record<string, Row>> = {
      "goes where its HELO name proves it": [
        "mx.mail.org.example",
        "x@mail.org.example",
        "v=spf1 ip4:127.0.0.1 -all",
        ACCEPTED,
      ],
      "waits where DNS does not say whether it does": [
        "mx.mail.org.example",
        "x@mail.org.example",
        "ESERVFAIL",
        ["250 2.1.5", "451 4.4.3"],
      ],
      "is refused where it is a stranger's": [
        "evil.example",
        "ceo@org.example",
        "v=spf1 -all",
        ["250 2.1.5", "550 5.7.1"],
      ],
      "does not go where the stranger's DNS says nothing": [
        "evil.example",
        "ceo@org.example",
        "silent",
        ["250 2.1.5", "451 4.4.3"],
      ],
    };
    for (const [name, [helo, author, spf, answers]] of Object.entries(cases)) {
      test(name, async () => {
        const [to, out] = [await box(), await relay()];
        const daemon = await start({
          ...{ lmtpPort: to.listener.port, relayPort: out.listener.port },
          settings: { srsSecret, domains: [OURS], senders: IMPATIENT },
          deps: { query: zoneQuery({ ...policies, [helo]: spf }) },
        });
        const client = await session(daemon);
        await client.say(`EHLO ${helo}`);
        const text = `From: ${author}\r\nSubject: failed\r\n\r\nhi\r\n`;
        assert.deepEqual(await send(client, [back], text, ""), answers);
      });
    }
  });

  test("is to nobody here when reverse-paths are not rewritten", async () => {
    const client = await session(await start({ lmtpPort: (await box()).listener.port }));
    assert.deepEqual(await send(client, [path], undefined, ""), ["550 5.1.1"]);
  });
});
