/** What smtp-out writes itself reaches people where they have their mail: in the box and at their forward address. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { SendingSettings } from "../../../mailserver/contract.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { DKIM_RECORD, mailer, RELAY, type Stage, type StageOptions, startStage } from "./setup.ts";

/** What is lost never arrives. */
const HANGS = { timeout: 30_000 };
const refuse = (code: number, status: string): Decision => ({
  kind: "refuse",
  reply: reply(code, status, "not here"),
});
/** Bob has his mail at bob@one.test, too. */
const mail = { from: "bob@semail.test", to: "nobody@one.test", subject: "hello", text: "the body\n" };
const nobody: StageOptions["rcpt"] = (to) => (to === "nobody@one.test" ? refuse(550, "5.1.1") : undefined);
/** With which all that we forward for strangers leaves under a name of ours. */
const settings: StageOptions["settings"] = {
  srsSecret: "secret-for-tests-0123",
  ownNames: ["mx.semail.test"],
};

const sentOn = (name: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`Delivered-To: ${name}@semail.test\r\n`), body]);

/** The message that is the same in the box of `name` and elsewhere, where it says from whom it was sent on, and to which nothing comes back from either. */
async function copies({ box, remote }: Stage, name: string): Promise<Buffer> {
  const [own, elsewhere] = [await box.next(), await remote.next()];
  assert.deepEqual([own.from, own.recipients], [null, [`${name}@semail.test`]]);
  assert.equal(elsewhere.from, null);
  assert.deepEqual(elsewhere.body, sentOn(name, own.body));
  return own.body;
}

async function signers(message: Buffer): Promise<unknown[]> {
  const resolver = async (name: string) => (name === "s1._domainkey.semail.test" ? [[DKIM_RECORD]] : []);
  const { results } = await dkimVerify(message, { resolver });
  return results.map(({ status, signingDomain }) => [status.result, signingDomain]);
}

/** Nothing waits, and nothing came after what was taken. */
async function isOver(stage: Stage, { box, remote }: { readonly box: number; readonly remote: number }) {
  await stage.restart();
  assert.deepEqual(await stage.out.queue.counts(), { items: 0, unreadable: 0 });
  assert.deepEqual([stage.box.received.length, stage.remote.received.length], [box, remote]);
}

describe("to a person with a forward address", () => {
  test("a bounce comes in both places, signed, with the null reverse-path in both", HANGS, async () => {
    await using stage = await startStage({ rcpt: nobody, settings });
    await mailer(stage, { user: "bob" }).sendMail(mail);
    const body = await copies(stage, "bob");
    assert.match(body.toString(), /^Final-Recipient: rfc822; nobody@one\.test\r\nAction: failed\r$/m);
    assert.deepEqual(await signers(body), [["pass", "semail.test"]]);
    assert.deepEqual(stage.remote.received[0]?.recipients, ["bob@one.test"]);
    await isOver(stage, { box: 1, remote: 1 });
  });

  test("a notice of a delay comes in both places", HANGS, async () => {
    let waits = true;
    await using stage = await startStage({
      rcpt: (to) => (waits && to === "nobody@one.test" ? refuse(451, "4.7.1") : undefined),
      settings: { ...settings, retry: { firstMs: 30, maxMs: 30, giveUpMs: 600_000, delayMs: 20 } },
    });
    await mailer(stage, { user: "bob" }).sendMail(mail);
    assert.match((await copies(stage, "bob")).toString(), /^Action: delayed\r$/m);
    waits = false;
    assert.deepEqual((await stage.remote.next()).recipients, ["nobody@one.test"]);
  });

  test("what was asked to be told of a success comes in both places", HANGS, async () => {
    await using stage = await startStage({ settings });
    await mailer(stage, { user: "bob" }).sendMail({
      ...{ ...mail, to: "kim@two.test" },
      dsn: { id: "1", notify: ["success"], recipient: "kim@two.test" },
    });
    assert.deepEqual((await stage.remote.next()).recipients, ["kim@two.test"]);
    assert.match((await copies(stage, "bob")).toString(), /^Action: relayed\r$/m);
  });

  test(
    "a bounce is in the box while the host of the forward is in trouble, and there later",
    HANGS,
    async () => {
      let waits = true;
      await using stage = await startStage({
        rcpt: (to) => (waits && to === "bob@one.test" ? refuse(451, "4.7.1") : nobody(to)),
        settings,
      });
      await mailer(stage, { user: "bob" }).sendMail(mail);
      const { body } = await stage.box.next();
      waits = false;
      const later = await stage.remote.next();
      assert.deepEqual(
        [later.from, later.recipients, later.body],
        [null, ["bob@one.test"], sentOn("bob", body)],
      );
      await isOver(stage, { box: 1, remote: 1 });
    },
  );

  test("a bounce that the host of the forward refuses makes no further one", HANGS, async () => {
    await using stage = await startStage({ rcpt: () => refuse(550, "5.7.1"), settings });
    await mailer(stage, { user: "bob" }).sendMail(mail);
    await stage.box.next();
    await isOver(stage, { box: 1, remote: 0 });
  });

  test("a bounce passed on by smtp-in comes in both places as well", HANGS, async () => {
    await using stage = await startStage({ settings });
    const relay = mailer(stage, { ...RELAY, pass: RELAY.password, port: stage.out.ports.relay });
    const raw = "From: mailer-daemon@semail.test\r\nSubject: x\r\n\r\nx\r\n";
    await relay.sendMail({ envelope: { from: "", to: ["bob@semail.test"] }, raw });
    assert.deepEqual(await signers(await copies(stage, "bob")), [["pass", "semail.test"]]);
  });

  test(
    "their message that is forwarded to nobody is told in both places, and no address with it",
    HANGS,
    async () => {
      await using stage = await startStage({
        rcpt: (to) => (to === "admin@one.test" ? refuse(550, "5.1.1") : undefined),
        settings,
      });
      await mailer(stage, { user: "bob" }).sendMail({ ...mail, to: "postmaster@semail.test" });
      assert.deepEqual((await stage.box.next()).recipients, ["postmaster@semail.test"]);
      const body = (await copies(stage, "bob")).toString();
      assert.match(body, /^Final-Recipient: rfc822; postmaster@semail\.test\r$/m);
      assert.doesNotMatch(body, /admin@one/);
    },
  );
});

test("the postmaster hears of a sending limit in both places", HANGS, async () => {
  const sending = SendingSettings.parse({ messagesPerMinute: 1 });
  await using stage = await startStage({ settings: { ...settings, sending } });
  const transport = mailer(stage);
  await transport.sendMail({ ...mail, from: "alice@semail.test", to: "sales@semail.test" });
  await stage.box.next();
  await assert.rejects(transport.sendMail({ ...mail, from: "alice@semail.test", to: "kim@one.test" }), /450/);
  const body = await copies(stage, "postmaster");
  assert.deepEqual(stage.remote.received[0]?.recipients, ["admin@one.test"]);
  assert.match(body.toString(), /^Subject: alice has reached a sending limit\r$/m);
  assert.deepEqual(await signers(body), [["pass", "semail.test"]]);
});

test("who has no forward has it in the box alone, as before", HANGS, async () => {
  await using stage = await startStage({ rcpt: nobody, settings });
  await mailer(stage).sendMail({ ...mail, from: "alice@semail.test" });
  await stage.box.next();
  await isOver(stage, { box: 1, remote: 0 });
});
