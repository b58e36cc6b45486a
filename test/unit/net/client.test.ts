import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect } from "../../../mailserver/net/client.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Address } from "../../../mailserver/smtp/types.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { BODY, envelope, kinds, options, sent } from "../../support/sending.ts";

const open: { close(): unknown }[] = [];
let identity: Identity;
before(async () => {
  identity = await makeIdentity("mx.semail.test");
});
after(() => Promise.all(open.map((thing) => thing.close())));

const inbox: typeof listenForMail = async (options) => {
  const made = await listenForMail(options);
  open.push(made.listener);
  return made;
};

describe("sending to our own server", () => {
  test("a message over STARTTLS, its dots intact", async () => {
    const to = await inbox({ tls: identity });
    assert.deepEqual(await sent(to.listener.port, ["alice@semail.test"]), ["delivered 250 2.0.0"]);
    assert.equal(to.messages[0]?.text, BODY.toString());
    assert.equal(to.messages[0]?.session.protocol, "ESMTPS");
  });

  test("in clear text when nothing else is offered, or wanted", async () => {
    const plain = await inbox();
    assert.deepEqual(await sent(plain.listener.port, ["a@b.example"]), ["delivered 250 2.0.0"]);
    const tls = await inbox({ tls: identity });
    await sent(tls.listener.port, ["a@b.example"], { session: { tls: "never" } });
    assert.equal(tls.messages[0]?.session.protocol, "ESMTP");
  });

  test("not at all when TLS is required and not offered", async () => {
    const to = await inbox();
    const found = await sent(to.listener.port, ["a@b.example"], { session: { tls: "required" } });
    assert.deepEqual(found, ["failed at helo: 451 4.7.4"]);
  });

  test("only to a peer whose certificate is the right one, when that is asked", async () => {
    const to = await inbox({ tls: identity });
    const verify = (name: string, ca: string) => ({
      connect: { verify: { kind: "pkix" as const, name, ca } },
    });
    const { port } = to.listener;
    assert.deepEqual(await sent(port, ["a@b.example"], verify("mx.semail.test", identity.ca)), [
      "delivered 250 2.0.0",
    ]);
    assert.deepEqual(await sent(port, ["a@b.example"], verify("other.example", identity.ca)), [
      "failed at tls: 451 4.7.5",
    ]);
    const stranger = await makeIdentity("mx.semail.test");
    assert.deepEqual(await sent(port, ["a@b.example"], verify("mx.semail.test", stranger.ca)), [
      "failed at tls: 451 4.7.5",
    ]);
  });

  test("a streamed body of several megabytes", async () => {
    const to = await inbox({ session: { limits: { messageBytes: 10_000_000, recipients: 9, errors: 9 } } });
    async function* lines(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 4_000; i += 1) yield Buffer.from(`.${"x".repeat(997)}\r\n`);
    }
    assert.deepEqual(await sent(to.listener.port, ["a@b.example"], { body: lines() }), [
      "delivered 250 2.0.0",
    ]);
    assert.equal(to.messages[0]?.text.length, 4_000_000);
  });

  test("nothing, when the body's source fails half-way: the server gets no end", async () => {
    const to = await inbox();
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from("half\r\n");
      throw new Error("disk");
    }
    await assert.rejects(sent(to.listener.port, ["a@b.example"], { body: broken() }), /disk/);
    await to.listener.close();
    assert.equal(to.messages.length, 0);
  });

  test("several messages over one connection", async () => {
    const to = await inbox();
    const connection = await connect(options(to.listener.port));
    for (let i = 0; i < 3; i += 1) await connection.send(envelope(["a@b.example"]), BODY);
    assert.ok(connection.usable());
    await connection.close();
    assert.ok(!connection.usable());
    assert.deepEqual(kinds(await connection.send(envelope(["a@b.example"]), BODY)), ["temporary 451 4.4.2"]);
    assert.equal(to.messages.length, 3);
  });

  test("with AUTH PLAIN, and with a wrong password", async () => {
    const to = await inbox({
      session: { auth: "always", authRequired: true },
      policy: {
        auth: ({ user, password }) =>
          password === "s" ? { kind: "authenticated", user } : { kind: "refuse", reply: replies.authFailed },
      },
    });
    const as = (password: string) => ({ session: { auth: { user: "smtp-in", password } } });
    assert.deepEqual(await sent(to.listener.port, ["a@b.example"], as("s")), ["delivered 250 2.0.0"]);
    assert.deepEqual(await sent(to.listener.port, ["a@b.example"], as("t")), ["failed at auth: 535 5.7.8"]);
  });

  test("over LMTP, an outcome for each recipient", async () => {
    const to = await inbox({
      session: { protocol: "lmtp" },
      policy: {
        rcpt: (_, { address: { local } }) =>
          local === "absent" ? { kind: "refuse", reply: replies.noSuchRecipient } : { kind: "accept" },
        message: () => ({
          kind: "perRecipient",
          replies: [
            replies.accepted,
            replies.reply(452, "4.2.2", "full"),
            replies.reply(552, "5.2.2", "full"),
          ],
        }),
      },
    });
    const people = ["one@b.example", "absent@b.example", "two@b.example", "three@b.example"];
    assert.deepEqual(await sent(to.listener.port, people, { session: { protocol: "lmtp" } }), [
      "delivered 250 2.0.0",
      "permanent 550 5.1.1",
      "temporary 452 4.2.2",
      "permanent 552 5.2.2",
    ]);
  });
});

test("an address with a line break is never sent", async () => {
  const to = await inbox();
  const connection = await connect(options(to.listener.port));
  const evil: Address = { local: "a", domain: "b", text: "a@b>\r\nRCPT TO:<c@d" };
  await assert.rejects(
    connection.send({ ...envelope(["a@b.example"]), recipients: [evil] }, BODY),
    /control characters/,
  );
  await connection.close();
});
