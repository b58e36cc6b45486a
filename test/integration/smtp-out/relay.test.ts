import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { authenticate } from "mailauth";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import { restore } from "../../../mailserver/policy/srs.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import type { Zone } from "../../support/fake-dns.ts";
import { ordinary, scripted } from "../../support/sending.ts";
import { DKIM_RECORD, mailer, RELAY, startStage } from "./setup.ts";

const mail = { from: "Alice <alice@semail.test>", subject: "hello", text: "hi\n.\n..dots\n" };
const refuse = (code: number, status: string): Decision => ({
  kind: "refuse",
  reply: reply(code, status, "not here"),
});

test("a submission reaches the foreign server over TLS, completed, without Bcc, and signed", async () => {
  await using stage = await startStage();
  await mailer(stage).sendMail({ ...mail, to: "bob@one.test", bcc: "kim@one.test" });
  const message = await stage.remote.next();
  assert.equal(message.from?.text, "alice@semail.test");
  assert.deepEqual(message.recipients, ["bob@one.test", "kim@one.test"]);
  assert.deepEqual(message.session, { helo: "mail.semail.test", protocol: "ESMTPS" });
  const text = message.body.toString();
  assert.match(text, /^Received: by mail\.semail\.test with ESMTPSA id \w+;\r\n/m);
  assert.match(text, /^Date: /m);
  // A field of that name: three letters alone stand in many a signature.
  assert.doesNotMatch(text, /kim@one|^bcc:/im);
  assert.match(text, /\r\n\r\nhi\r\n\.\r\n\.\.dots\r\n/);
  const resolver = async (name: string) => (name === "s1._domainkey.semail.test" ? [[DKIM_RECORD]] : []);
  const { results } = await dkimVerify(message.body, { resolver });
  assert.deepEqual(
    results.map(({ status, signingDomain }) => [status.result, signingDomain]),
    [["pass", "semail.test"]],
  );
});

test("one refused recipient of three: the others get it once, the sender one notification", async () => {
  await using stage = await startStage({
    rcpt: (to) => (to === "no@one.test" ? refuse(550, "5.1.1") : undefined),
  });
  await mailer(stage).sendMail({ ...mail, to: ["yes@one.test", "no@one.test", "kim@two.test"] });
  const notification = await stage.box.next();
  const delivered = [await stage.remote.next(), await stage.remote.next()];
  assert.deepEqual(delivered.flatMap(({ recipients }) => recipients).sort(), [
    "kim@two.test",
    "yes@one.test",
  ]);
  assert.equal(notification.from, null);
  assert.deepEqual(notification.recipients, ["alice@semail.test"]);
  const text = notification.body.toString();
  assert.match(text, /Content-Type: multipart\/report; report-type=delivery-status/);
  assert.match(
    text,
    /Final-Recipient: rfc822; no@one\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\nRemote-MTA: dns; mx\.one\.test\r\nDiagnostic-Code: smtp; 550 5\.1\.1 not here/,
  );
  assert.doesNotMatch(text, /yes@one\.test\r\nAction/);
  await stage.restart();
  assert.equal(stage.remote.received.length, 2);
  assert.deepEqual(await stage.out.queue.counts(), { items: 0, unreadable: 0 });
});

test("a temporary refusal of one recipient is tried again, for that one alone", async () => {
  let refusals = 2;
  await using stage = await startStage({
    rcpt: (to) => (to === "slow@one.test" && refusals-- > 0 ? refuse(450, "4.2.0") : undefined),
  });
  await mailer(stage).sendMail({ ...mail, to: ["fast@one.test", "slow@one.test"] });
  assert.deepEqual((await stage.remote.next()).recipients, ["fast@one.test"]);
  assert.deepEqual((await stage.remote.next()).recipients, ["slow@one.test"]);
});

test("mail for our own people goes to the box, and a forward's copy to the outside", async () => {
  await using stage = await startStage();
  await mailer(stage).sendMail({ ...mail, to: "Bob+list@semail.test" });
  assert.deepEqual((await stage.box.next()).recipients, ["Bob+list@semail.test"]);
  assert.deepEqual((await stage.remote.next()).recipients, ["bob@one.test"]);
});

test("mail for somebody whose forward's domain can't be in DNS goes to the box alone", async () => {
  const queued: unknown[] = [];
  const info: Log["info"] = (event, facts) => void (event === "queue.accepted" && queued.push(facts?.to));
  await using stage = await startStage({ log: { ...silentLog, info } });
  await mailer(stage).sendMail({ ...mail, to: "carol@semail.test" });
  assert.deepEqual((await stage.box.next()).recipients, ["carol@semail.test"]);
  assert.deepEqual(queued, [["carol@semail.test"]]);
});

test("who writes to somebody with a forward never learns where that goes, by submission or by smtp-in", async () => {
  await using stage = await startStage({
    rcpt: (to) => (to === "bob@one.test" ? refuse(550, "5.1.1") : undefined),
  });
  await mailer(stage).sendMail({ ...mail, to: "Bob+list@semail.test" });
  await mailer(stage, { user: RELAY.user, pass: RELAY.password, port: stage.out.ports.relay }).sendMail({
    envelope: { from: "alice@semail.test", to: "bob@one.test" },
    raw: "From: alice@semail.test\r\nTo: bob@semail.test\r\nSubject: hi\r\n\r\nbody\r\n",
    dsn: { recipient: "bob@semail.test" },
  });
  const mails = [await stage.box.next(), await stage.box.next(), await stage.box.next()];
  const told = mails.filter(({ from }) => from === null).map(({ body }) => body.toString());
  assert.equal(told.length, 2);
  for (const text of told) assert.doesNotMatch(text, /one\.test/);
  assert.match(told.join(""), /Final-Recipient: rfc822; Bob\+list@semail\.test/);
  assert.match(told.join(""), /Final-Recipient: rfc822; bob@semail\.test/);
});

test("two of another domain that differ by case alone are two, and one of ours is one", async () => {
  await using stage = await startStage({});
  await mailer(stage).sendMail({
    ...mail,
    to: ["kim@one.test", "Kim@one.test", "sales@semail.test", "Sales@semail.test"],
  });
  assert.deepEqual((await stage.box.next()).recipients, ["sales@semail.test"]);
  const taken = [...(await stage.remote.next()).recipients];
  if (taken.length < 2) taken.push(...(await stage.remote.next()).recipients);
  assert.deepEqual(taken.toSorted(), ["Kim@one.test", "kim@one.test"]);
});

test("a full box defers its recipient without holding up another", async () => {
  let full = true;
  await using stage = await startStage({
    boxRcpt: (to) => (full && to === "sales@semail.test" ? refuse(452, "4.2.2") : undefined),
  });
  await mailer(stage).sendMail({ ...mail, to: ["sales@semail.test", "bob@semail.test"] });
  assert.deepEqual((await stage.box.next()).recipients, ["bob@semail.test"]);
  full = false;
  assert.deepEqual((await stage.box.next()).recipients, ["sales@semail.test"]);
});

test("forwarded mail leaves with a reverse-path of ours, to which a bounce may come, and with a seal", async () => {
  const srsSecret = "secret-for-tests-0123";
  await using stage = await startStage({ settings: { srsSecret, ownNames: ["mx.semail.test"] } });
  const relay = mailer(stage, { ...RELAY, pass: RELAY.password, port: stage.out.ports.relay });
  await relay.sendMail({
    envelope: { from: "kim@foreign.test", to: ["bob@one.test"] },
    raw:
      "Authentication-Results: mx.semail.test; spf=pass smtp.mailfrom=foreign.test\r\n" +
      "From: kim@foreign.test\r\nSubject: hello\r\n\r\nhi\r\n",
  });
  const { from, body } = await stage.remote.next();
  assert.match(from?.text ?? "", /^SRS0=.*=foreign\.test=kim@semail\.test$/);
  const bounced =
    from === null ? undefined : restore(from, { domains: ["semail.test"], secret: srsSecret }, Date.now());
  assert.equal(bounced?.kind === "valid" && bounced.address.text, "kim@foreign.test");
  const resolver = async (name: string) => (name === "s1._domainkey.semail.test" ? [[DKIM_RECORD]] : []);
  const { arc } = await authenticate(body, { ip: "192.0.2.1", helo: "x.test", mta: "mx.test", resolver });
  assert.equal(arc !== false && arc.status.result, "pass");
});

test("that forwarded mail can't be delivered is told to its sender, not to ourselves", async () => {
  await using stage = await startStage({
    rcpt: (to) => (to === "bob@one.test" ? refuse(550, "5.1.1") : undefined),
    settings: { srsSecret: "secret-for-tests-0123" },
  });
  const relay = mailer(stage, { ...RELAY, pass: RELAY.password, port: stage.out.ports.relay });
  await relay.sendMail({
    envelope: { from: "kim@two.test", to: ["bob@one.test"] },
    raw: "From: kim@two.test\r\n\r\nhi\r\n",
  });
  const { from, recipients } = await stage.remote.next();
  assert.deepEqual([from, recipients], [null, ["kim@two.test"]]);
});

test("forwarded mail from smtp-in keeps its sender and content", async () => {
  await using stage = await startStage();
  const transport = mailer(stage, { port: stage.out.ports.relay, user: RELAY.user, pass: RELAY.password });
  const raw = "From: eve@evil.test\r\nBcc: kept@x.test\r\nSubject: hi\r\n\r\nbody\r\n";
  await transport.sendMail({ envelope: { from: "eve@evil.test", to: "bob@one.test" }, raw });
  const message = await stage.remote.next();
  assert.equal(message.from?.text, "eve@evil.test");
  const [received, rest] = message.body.toString().split(/(?=From: eve)/);
  assert.match(
    received ?? "",
    /^Received: from \S+ \(\[(::1|127\.0\.0\.1)\]\)\r\n\tby mail\.semail\.test with ESMTPA id/,
  );
  assert.equal(rest, raw);
});

test("mail that could not be sent is sent after a restart", async () => {
  await using stage = await startStage({
    remotePort: 1,
    settings: { retry: { firstMs: 50, maxMs: 50, giveUpMs: 600_000, delayMs: 0 } },
  });
  await mailer(stage).sendMail({ ...mail, to: "bob@one.test" });
  assert.equal(stage.remote.received.length, 0);
  await stage.restart();
  assert.deepEqual((await stage.remote.next()).recipients, ["bob@one.test"]);
});

test("mail to a domain that does not exist fails at once, with a notification", async () => {
  await using stage = await startStage({ zone: {} });
  await mailer(stage).sendMail({ ...mail, to: "bob@nowhere.test" });
  const text = (await stage.box.next()).body.toString();
  assert.match(text, /Final-Recipient: rfc822; bob@nowhere\.test\r\nAction: failed\r\nStatus: 5\.1\.2\r\n/);
});

/** Offers STARTTLS and hangs up on the hand-shake; takes everything otherwise. Gives the lines of the first message. */
async function spoiledServer() {
  const message = Promise.withResolvers<string[]>();
  const server = createServer((socket) => {
    const data: string[] = [];
    let inData = false;
    const answer = (line: string): string => {
      if (line.startsWith("EHLO")) return "250-spoiled\r\n250 STARTTLS\r\n";
      if (line === "STARTTLS") return "220 go\r\n";
      inData = line === "DATA";
      return inData ? "354 go\r\n" : "250 ok\r\n";
    };
    const take = (line: string): string => {
      if (!inData) return answer(line);
      data.push(line);
      if (line !== ".") return "";
      message.resolve(data);
      return answer(line);
    };
    socket.on("error", () => {});
    socket.write("220 spoiled\r\n");
    socket.on("data", (bytes) => {
      // The first byte of a TLS record with a hand-shake message.
      if (bytes[0] === 0x16) socket.destroy();
      else socket.write(bytes.toString().split("\r\n").slice(0, -1).map(take).join(""));
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    message: message.promise,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

test("an MX that spoils its own TLS gets the mail in clear text", async () => {
  await using server = await spoiledServer();
  await using stage = await startStage({ remotePort: server.port });
  await mailer(stage).sendMail({ ...mail, to: "bob@one.test" });
  assert.ok((await server.message).includes("Subject: hello"));
});

test("an MX whose first address is dead is reached at the second", async () => {
  await using stage = await startStage({
    zone: {
      "one.test": {
        mx: [
          [10, "dead.test"],
          [20, "live.test"],
        ],
      },
      "dead.test": { a: ["127.0.0.9"] },
      "live.test": { a: ["127.0.0.1"], aaaa: ["::9"] },
    },
  });
  await mailer(stage).sendMail({ ...mail, to: "bob@one.test" });
  await stage.remote.next();
});

for (const command of ["MAIL", "RCPT", "DATA"]) {
  test(`an MX that hangs up at ${command} does not hide the next one`, async () => {
    await using stage = await startStage({
      zone: {
        "one.test": {
          mx: [
            [10, "drops.test"],
            [20, "live.test"],
          ],
        },
        "drops.test": { a: ["127.0.0.2"] },
        "live.test": { a: ["127.0.0.1"] },
      },
      // A second attempt would not come within the test's life.
      settings: { retry: { firstMs: 600_000, maxMs: 600_000, giveUpMs: 6_000_000, delayMs: 0 } },
    });
    const answer = ordinary({});
    const drops = await scripted(
      (line, socket) => (line.startsWith(command) ? void socket.destroy() : answer(line)),
      "220 drops",
      { host: "127.0.0.2", port: stage.remote.port },
    );
    try {
      await mailer(stage).sendMail({ ...mail, to: "bob@one.test" });
      assert.deepEqual((await stage.remote.next()).recipients, ["bob@one.test"]);
    } finally {
      drops.close();
    }
  });
}

test("messages to one host follow each other over one session", async () => {
  await using stage = await startStage();
  const transport = mailer(stage);
  const connections = new Set<string>();
  for (let message = 0; message < 3; message += 1) {
    await transport.sendMail({ ...mail, to: "bob@one.test" });
    connections.add((await stage.remote.next()).connection);
  }
  assert.equal(connections.size, 1);
});

const inward: Readonly<Record<string, { to: string; zone?: Zone }>> = {
  "an address literal": { to: "bob@[127.0.0.1]" },
  "an IPv6 literal": { to: "bob@[IPv6:::1]" },
  "an IPv4-mapped literal": { to: "bob@[IPv6:::ffff:127.0.0.1]" },
  "an MX record": { to: "bob@evil.test", zone: { "evil.test": { mx: [[10, "in.evil.test"]] } } },
  "an address record": { to: "bob@in.evil.test" },
};
const inside: Zone = {
  "in.evil.test": { a: ["127.0.0.1", "10.64.0.5"], aaaa: ["::ffff:127.0.0.1", "fe80::1"] },
};
for (const [what, { to, zone }] of Object.entries(inward)) {
  test(`${what} of a stranger can't aim the daemon at a private address, and the sender is told`, async () => {
    await using stage = await startStage({ zone: { ...zone, ...inside }, settings: { allowTargets: [] } });
    await mailer(stage).sendMail({ ...mail, to });
    const text = (await stage.box.next()).body.toString();
    assert.match(text, /Action: failed\r\nStatus: 5\.4\.4\r\n/);
    assert.match(text, /has only addresses to which no mail is sent/);
    assert.equal(stage.remote.received.length, 0);
  });
}
