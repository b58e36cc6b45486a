/** What a sender asked to be told (RFC 3461): from submission to the next server, or back into their box. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { reply } from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { DKIM_RECORD, mailer, RELAY, startStage } from "./setup.ts";

const mail = { from: "alice@semail.test", to: "bob@one.test", subject: "hello", text: "the body\n" };
const REFUSED: Decision = { kind: "refuse", reply: reply(550, "5.1.1", "not here") };

async function signers(message: Buffer): Promise<unknown[]> {
  const resolver = async (name: string) => (name === "s1._domainkey.semail.test" ? [[DKIM_RECORD]] : []);
  const { results } = await dkimVerify(message, { resolver });
  return results.map(({ status, signingDomain }) => [status.result, signingDomain]);
}

test("a server with DSN is told what the sender asked for, and the sender hears nothing from us", async () => {
  await using stage = await startStage({ remoteDsn: true });
  const dsn = {
    id: "id=1",
    return: "full",
    notify: ["success", "delay"],
    recipient: "Bob@one.test",
  } as const;
  await mailer(stage).sendMail({ ...mail, dsn: { ...dsn, notify: [...dsn.notify] } });
  const { parameters } = await stage.remote.next();
  assert.equal(parameters.mail.envid, "id=1");
  assert.equal(parameters.mail.ret, "FULL");
  assert.deepEqual(parameters.rcpt, [
    { notify: ["SUCCESS", "DELAY"], orcpt: { type: "rfc822", address: "Bob@one.test" } },
  ]);
  await stage.restart();
  assert.equal(stage.box.received.length, 0);
  assert.equal((await stage.out.queue.counts()).items, 0);
});

test("a server without DSN: the sender hears that the message was relayed, by a signed notification", async () => {
  await using stage = await startStage();
  await mailer(stage).sendMail({
    ...mail,
    dsn: { id: "id=1", notify: ["success"], recipient: "Bob@one.test" },
  });
  const { from, recipients, body } = await stage.box.next();
  assert.deepEqual([from, recipients], [null, ["alice@semail.test"]]);
  assert.match(
    body.toString(),
    /^Original-Envelope-Id: id=1\r\n(?:.+\r\n)*\r\nOriginal-Recipient: rfc822; Bob@one\.test\r\nFinal-Recipient: rfc822; bob@one\.test\r\nAction: relayed\r\nStatus: 2\./m,
  );
  assert.doesNotMatch(body.toString(), /the body/);
  assert.deepEqual(await signers(body), [["pass", "semail.test"]]);
});

test("a failure for which the sender wants the whole message back", async () => {
  await using stage = await startStage({ rcpt: () => REFUSED });
  await mailer(stage).sendMail({ ...mail, dsn: { id: "1", return: "full", notify: ["failure"] } });
  const { body } = await stage.box.next();
  assert.match(body.toString(), /^Action: failed\r$/m);
  assert.match(body.toString(), /Content-Type: message\/rfc822\r\n.*the body/s);
});

test("a failure of which the sender never wants to hear is not told, whatever happens", async () => {
  await using stage = await startStage({ rcpt: (to) => (to === "bob@one.test" ? REFUSED : undefined) });
  const transport = mailer(stage);
  await transport.sendMail({ ...mail, dsn: { id: "1", notify: ["never"] } });
  await transport.sendMail({ ...mail, to: "kim@one.test" });
  await stage.remote.next();
  await stage.restart();
  assert.equal(stage.box.received.length, 0);
  assert.equal((await stage.out.queue.counts()).items, 0);
});

test("what is delayed is told of once, and that it then came through only if asked for", async () => {
  let refusals = 3;
  const later: Decision = { kind: "refuse", reply: reply(451, "4.7.1", "later") };
  await using stage = await startStage({
    rcpt: () => (refusals-- > 0 ? later : undefined),
    settings: { retry: { firstMs: 30, maxMs: 30, giveUpMs: 600_000, delayMs: 20 }, notices: "fr" },
  });
  await mailer(stage).sendMail(mail);
  const { body } = await stage.box.next();
  assert.match(body.toString(), /^Action: delayed\r\nStatus: 4\.7\.1\r$/m);
  assert.match(body.toString(), /^Will-Retry-Until: /m);
  assert.match(body.toString(), /^Subject: =\?UTF-8\?Q\?Votre_message_est_retard/m);
  await stage.remote.next();
  await stage.restart();
  assert.equal(stage.box.received.length, 1);
});

test("a notification of smtp-in is signed, a bounce that it forwards is not", async () => {
  await using stage = await startStage();
  const { user, password: pass } = RELAY;
  const transport = mailer(stage, { user, pass, port: stage.out.ports.relay });
  const raw = "From: mailer-daemon@semail.test\r\nSubject: x\r\n\r\nx\r\n";
  const envelope = { from: "", to: ["bob@one.test"] };
  await transport.sendMail({ envelope, raw });
  assert.deepEqual(await signers((await stage.remote.next()).body), [["pass", "semail.test"]]);
  await transport.sendMail({ envelope, raw, dsn: { id: "1", recipient: "bob@semail.test" } });
  assert.doesNotMatch((await stage.remote.next()).body.toString(), /DKIM-Signature/);
});
