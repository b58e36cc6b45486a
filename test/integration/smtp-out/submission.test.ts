import assert from "node:assert/strict";
import { test } from "node:test";
import { freePorts } from "../../support/ports.ts";
import { mailer, RELAY, type Stage, startStage } from "./setup.ts";

const mail = { from: "alice@semail.test", to: "bob@one.test", subject: "hello", text: "hi" };

/** The reply that a mail program was refused with. */
async function refusal(sending: Promise<unknown>): Promise<string> {
  const error = await sending.then(
    () => assert.fail("it was accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error && "response" in error, String(error));
  return String(error.response);
}

test("465 and 587, by uid and by address", async () => {
  await using stage = await startStage();
  for (const port of [stage.out.ports.submission, stage.out.ports.submissions]) {
    for (const user of ["alice", "sales@semail.test"]) {
      const info = await mailer(stage, { port, user, pass: "alice-secret" }).sendMail(mail);
      assert.match(info.response, /^250 2\.0\.0 Queued as [0-9a-f]{21}$/);
    }
  }
});

const cases: { name: string; want: RegExp; send: (stage: Stage) => Promise<unknown> }[] = [
  {
    name: "no login",
    want: /^530 5\.7\.0 /,
    send: (stage) => mailer(stage, { auth: false }).sendMail(mail),
  },
  {
    name: "no login on the relay",
    want: /^530 5\.7\.0 /,
    send: (stage) => mailer(stage, { auth: false, port: stage.out.ports.relay }).sendMail(mail),
  },
  {
    name: "a wrong password",
    want: /^535 5\.7\.8 /,
    send: (stage) => mailer(stage, { pass: "wrong" }).sendMail(mail),
  },
  {
    name: "an unknown person",
    want: /^535 5\.7\.8 /,
    send: (stage) => mailer(stage, { user: "eve" }).sendMail(mail),
  },
  {
    name: "the relay's password in public",
    want: /^535 5\.7\.8 /,
    send: (stage) => mailer(stage, { user: RELAY.user, pass: RELAY.password }).sendMail(mail),
  },
  {
    name: "a person's password on the relay",
    want: /^535 5\.7\.8 /,
    send: (stage) => mailer(stage, { port: stage.out.ports.relay }).sendMail(mail),
  },
  {
    name: "another's address in the envelope",
    want: /^553 5\.7\.1 /,
    send: (stage) => mailer(stage).sendMail({ ...mail, envelope: { from: "bob@semail.test", to: mail.to } }),
  },
  {
    name: "another's address in From",
    want: /^550 5\.7\.1 /,
    send: (stage) =>
      mailer(stage).sendMail({
        ...mail,
        from: "bob@semail.test",
        envelope: { from: "alice@semail.test", to: mail.to },
      }),
  },
  {
    name: "two From fields",
    want: /^550 5\.6\.0 /,
    send: (stage) =>
      mailer(stage).sendMail({
        envelope: { from: "alice@semail.test", to: mail.to },
        raw: "From: alice@semail.test\r\nFrom: bob@semail.test\r\n\r\nhi\r\n",
      }),
  },
  {
    name: "nobody of ours by that name",
    want: /^550 5\.1\.1 /,
    send: (stage) => mailer(stage).sendMail({ ...mail, to: "nobody@semail.test" }),
  },
  {
    name: "the directory is down at login",
    want: /^454 4\.7\.0 /,
    send: (stage) => {
      stage.directoryUp = false;
      return mailer(stage).sendMail(mail);
    },
  },
  {
    name: "the directory is down at RCPT",
    want: /^451 4\.4\.3 /,
    send: (stage) => {
      stage.directoryUp = false;
      const { user, password } = RELAY;
      return mailer(stage, { port: stage.out.ports.relay, user, pass: password }).sendMail({
        ...mail,
        to: "alice@semail.test",
      });
    },
  },
  {
    name: "the sixth wrong password",
    want: /^454 4\.7\.0 Too many/,
    send: async (stage) => {
      for (let count = 0; count < 5; count++) await refusal(mailer(stage, { pass: "wrong" }).sendMail(mail));
      return mailer(stage).sendMail(mail);
    },
  },
];
for (const { name, want, send } of cases) {
  test(`refused: ${name}`, async () => {
    await using stage = await startStage();
    assert.match(await refusal(send(stage)), want);
    assert.equal((await stage.out.queue.counts()).items, 0);
  });
}

test("no login before TLS", async () => {
  await using stage = await startStage();
  const { createTransport } = await import("nodemailer");
  const transport = createTransport({
    ...{ host: "127.0.0.1", port: stage.out.ports.submission, ignoreTLS: true },
    auth: { user: "alice", pass: "alice-secret" },
  });
  await assert.rejects(transport.sendMail(mail), /AUTH|530|503|502|538|authenticat/i);
});

test("a colleague gets nothing that speaks in our name (RFC 8601 section 5)", async () => {
  await using stage = await startStage({ settings: { ownNames: ["mx.semail.test"] } });
  const forged = ["mx.semail.test", "mail.semail.test", "mx.one.test"].map(
    (name) => `Authentication-Results: ${name}; dkim=pass header.d=bank.example\r\n`,
  );
  const header = `${forged.join("")}X-Semail-Junk: yes\r\nFrom: alice@semail.test\r\n`;
  await mailer(stage).sendMail({
    envelope: { from: mail.from, to: "alice@semail.test" },
    raw: `${header}\r\nhi\r\n`,
  });
  const text = (await stage.box.next()).body.toString();
  assert.deepEqual(text.match(/^(authentication-results: \S+|x-semail-junk)/gim), [
    "Authentication-Results: mx.one.test;",
  ]);
});

test("wrong passwords that access tells of lock here as well", async () => {
  const [port = 0] = await freePorts(1);
  const secret = "access-secret-0123456789";
  await using stage = await startStage({ settings: { access: { port, address: "127.0.0.1", secret } } });
  const tell = async (n: number): Promise<void> => {
    const login = { login: "alice", remote: "127.0.0.1", session_id: String(n), protocol: "imap" };
    const report = { ...login, success: false, policy_reject: false, fail_type: "account" };
    const headers = { authorization: `Bearer ${secret}` };
    for (const [command, body] of [
      ["allow", login],
      ["report", report],
    ] as const) {
      const url = `http://127.0.0.1:${port}/?command=${command}`;
      assert.equal((await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).status, 200);
    }
  };
  for (let n = 0; n < 5; n += 1) await tell(n);
  assert.match(await refusal(mailer(stage).sendMail(mail)), /^454 4\.7\.0 Too many wrong passwords/);
});
