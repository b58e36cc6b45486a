/** Addresses as real hosts give them out, against the letter of RFC 5321: kept as they came, all the way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { restore } from "../../../mailserver/policy/srs.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { RawClient } from "../../support/raw-client.ts";
import { RELAY, type Stage, startStage } from "./setup.ts";

const ZONE = {
  ...{ "one.test": { a: ["127.0.0.1"] }, "two.test": { a: ["127.0.0.1"] } },
  "_odd.news_letter.test": { a: ["127.0.0.1"] },
};
const ODD = ["a..b@one.test", ".user@one.test", "user.@two.test", "x@_odd.news_letter.test"];
const REFUSED: Decision = { kind: "refuse", reply: reply(550, "5.1.1", "not here") };
/** What is lost never arrives. */
const HANGS = { timeout: 30_000 };
const srsSecret = "secret-for-tests-0123";

/** Says what no mail program of a test would, which quotes such names or refuses them. */
async function send(client: RawClient, from: string, to: readonly string[]): Promise<void> {
  assert.equal(await client.say(`MAIL FROM:<${from}>`), "250 2.1.0");
  for (const address of to) assert.equal(await client.say(`RCPT TO:<${address}>`), "250 2.1.5", address);
  assert.equal(await client.say("DATA"), "354");
  assert.equal(await client.say("From: alice@semail.test\r\nSubject: x\r\n\r\nhi\r\n."), "250 2.0.0");
}

const plain = (user: string, password: string) =>
  `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`;

async function person(stage: Stage): Promise<RawClient> {
  const client = await RawClient.open(stage.out.ports.submissions, { ca: stage.tls.ca });
  await client.reply();
  await client.say("EHLO laptop.test");
  assert.equal(await client.say(plain("alice", "alice-secret")), "235 2.7.0");
  return client;
}

async function smtpIn(stage: Stage): Promise<RawClient> {
  const client = await RawClient.open(stage.out.ports.relay);
  await client.reply();
  await client.say("EHLO mx.semail.test");
  assert.equal(await client.say(plain(RELAY.user, RELAY.password)), "235 2.7.0");
  return client;
}

async function taken({ remote }: Stage, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) found.push(...(await remote.next()).recipients);
  return found.toSorted();
}

test(
  "what a person writes to leaves by the very name that they wrote, after a restart too",
  HANGS,
  async () => {
    await using stage = await startStage({ zone: ZONE });
    const client = await person(stage);
    await send(client, "alice@semail.test", ODD);
    client.close();
    assert.deepEqual(await taken(stage, ODD.length), ODD.toSorted());

    await using later = await startStage({
      ...{ zone: ZONE, remotePort: 1 },
      settings: { retry: { firstMs: 50, maxMs: 50, giveUpMs: 600_000, delayMs: 0 } },
    });
    const other = await person(later);
    await send(other, "alice@semail.test", ODD);
    other.close();
    await later.restart();
    assert.deepEqual(await taken(later, ODD.length), ODD.toSorted());
  },
);

test("what its host refuses is told of by that name", HANGS, async () => {
  await using stage = await startStage({ zone: ZONE, rcpt: () => REFUSED });
  const client = await person(stage);
  for (const address of ODD) {
    await send(client, "alice@semail.test", [address]);
    const { body } = await stage.box.next();
    assert.ok(body.includes(`\r\nFinal-Recipient: rfc822; ${address}\r\n`), body.toString());
    assert.ok(body.includes(`\r\n<${address}>\r\n`));
  }
  client.close();
});

test(
  "a sender of that kind is found again behind a reverse-path of ours, and told of a failure",
  HANGS,
  async () => {
    await using stage = await startStage({
      ...{ zone: ZONE, settings: { srsSecret } },
      rcpt: (to) => (to === "no@one.test" ? REFUSED : undefined),
    });
    const client = await smtpIn(stage);
    for (const sender of ODD) {
      await send(client, sender, ["bob@one.test"]);
      const { from } = await stage.remote.next();
      const rules = { domains: ["semail.test"], secret: srsSecret };
      const back = from === null ? undefined : restore(from, rules, Date.now());
      assert.equal(back?.kind === "valid" && back.address.text, sender);
      await send(client, sender, ["no@one.test"]);
      assert.deepEqual((await stage.remote.next()).recipients, [sender]);
    }
    client.close();
  },
);
