/** What an attacker says to smtp-out, over real sockets: each is refused, and nothing of it is queued. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RawClient } from "../../support/raw-client.ts";
import { type Stage, startStage } from "./setup.ts";

const plain = (user: string, password: string): string =>
  `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`;
const LOGIN = plain("alice", "alice-secret");
const MAIL = "MAIL FROM:<alice@semail.test>";
const RCPT = "RCPT TO:<eve@evil.test>";

let stage: Stage;
before(async () => {
  stage = await startStage();
});
after(() => stage[Symbol.asyncDispose]());

/** On 587, before TLS. */
async function connect(): Promise<RawClient> {
  const client = await RawClient.open(stage.out.ports.submission);
  assert.equal(await client.reply(), "220");
  assert.equal(await client.say("EHLO evil.test"), "250");
  return client;
}

/** The same, under TLS; what `ahead` holds is sent with STARTTLS in one piece. */
async function connectSecurely(ahead = ""): Promise<RawClient> {
  const client = await connect();
  client.write(`STARTTLS\r\n${ahead}`);
  assert.equal(await client.reply(), "220 2.0.0");
  await client.secure({ ca: stage.tls.ca });
  return client;
}

async function logIn(): Promise<RawClient> {
  const client = await connectSecurely();
  assert.equal(await client.say("EHLO evil.test"), "250");
  assert.equal(await client.say(LOGIN), "235 2.7.0");
  return client;
}

async function nothingQueued(): Promise<void> {
  assert.equal((await stage.out.queue.counts()).items, 0);
}

describe("before TLS", () => {
  for (const [name, line, want] of [
    ["a login", LOGIN, "538 5.7.11"],
    ["a login in two steps", "AUTH LOGIN", "538 5.7.11"],
    ["mail", MAIL, "530 5.7.0"],
  ] as const) {
    test(`${name} is refused`, async () => {
      const client = await connect();
      assert.equal(await client.say(line), want);
      client.close();
      await nothingQueued();
    });
  }

  test("commands that are sent ahead of the hand-shake are dropped, a login too", async () => {
    const client = await connectSecurely(`EHLO evil.test\r\n${LOGIN}\r\n${MAIL}\r\n${RCPT}\r\nDATA\r\n`);
    assert.equal(await client.say(MAIL), "503 5.5.1");
    assert.equal(await client.say("EHLO evil.test"), "250");
    assert.equal(await client.say(MAIL), "530 5.7.0");
    client.close();
    await nothingQueued();
  });
});

/** After EHLO under TLS; the last reply. */
const logins: Readonly<Record<string, { readonly lines: readonly string[]; readonly want: string }>> = {
  "one larger than any may be": { lines: [`AUTH PLAIN ${"A".repeat(20_000)}`], want: "500 5.5.2" },
  "an answer larger than any may be": { lines: ["AUTH LOGIN", "A".repeat(20_000)], want: "500 5.5.6" },
  "one with a NUL in the password": { lines: [plain("alice", "alice-secret\0")], want: "501 5.5.2" },
  "an empty password, which LDAP would take for an anonymous bind": {
    lines: [plain("alice", "")],
    want: "535 5.7.8",
  },
  "filter syntax for a name": { lines: [plain("*)(uid=*", "alice-secret")], want: "535 5.7.8" },
  "acting as somebody else": {
    lines: [`AUTH PLAIN ${Buffer.from("bob\0alice\0alice-secret").toString("base64")}`],
    want: "535 5.7.8",
  },
  "a second login": { lines: [LOGIN, plain("bob", "bob-secret")], want: "503 5.5.1" },
  "one within a transaction": { lines: [LOGIN, MAIL, plain("bob", "bob-secret")], want: "503 5.5.1" },
};
describe("a login that is refused:", () => {
  for (const [name, { lines, want }] of Object.entries(logins)) {
    test(name, async () => {
      const client = await connectSecurely();
      assert.equal(await client.say("EHLO evil.test"), "250");
      let said = "";
      for (const line of lines) said = await client.say(line);
      assert.equal(said, want);
      client.close();
      await nothingQueued();
    });
  }
});

/** After a login; the last reply. */
const envelopes: Readonly<Record<string, { readonly lines: readonly string[]; readonly want: string }>> = {
  "a command behind a bare LF": { lines: [`${MAIL}\n${RCPT}`], want: "500 5.5.2" },
  "a command behind a bare CR": { lines: [`${MAIL}\r${RCPT}`], want: "500 5.5.2" },
  "a NUL": { lines: ["MAIL FROM:<alice@semail.test\0>"], want: "500 5.5.2" },
  "a line break in ENVID, for the header of a notification": {
    lines: [`${MAIL} ENVID=a+0D+0ABcc:eve`],
    want: "501 5.5.4",
  },
  "a line break in ORCPT, likewise": {
    lines: [MAIL, `${RCPT} ORCPT=rfc822;a+0D+0ABcc:eve`],
    want: "501 5.5.4",
  },
  "a line break in ORCPT, written for UTF-8": {
    lines: [MAIL, `${RCPT} ORCPT=utf-8;a\\x{D}\\x{A}Bcc:eve`],
    want: "501 5.5.4",
  },
  "two recipients in one": { lines: [MAIL, "RCPT TO:<bob@semail.test>,<eve@evil.test>"], want: "501 5.5.4" },
};
describe("an envelope that is refused:", () => {
  for (const [name, { lines, want }] of Object.entries(envelopes)) {
    test(name, async () => {
      const client = await logIn();
      let said = "";
      for (const line of lines) said = await client.say(line);
      assert.equal(said, want);
      client.close();
      await nothingQueued();
    });
  }

  test("ten thousand recipients: the hundred that are taken wait in vain for a message", async () => {
    const client = await logIn();
    assert.equal(await client.say(MAIL), "250 2.1.0");
    const names = Array.from({ length: 10_000 }, (_, n) => `RCPT TO:<a${n}@evil.test>\r\n`);
    client.write(names.join(""));
    const said: string[] = [];
    for (let reply = await client.reply(); reply !== "closed"; reply = await client.reply()) said.push(reply);
    assert.deepEqual(new Set(said.slice(0, 100)), new Set(["250 2.1.5"]));
    // Until the session is ended for so many commands without a message.
    assert.deepEqual(new Set(said.slice(100, -1)), new Set(["452 4.5.3"]));
    assert.equal(said.at(-1), "421 4.7.0");
    await nothingQueued();
  });
});

const FROM = "From: alice@semail.test\r\n";
/** Messages as they are sent, without the dot at the end. */
const messages: Readonly<Record<string, { readonly message: string; readonly want: string }>> = {
  "nothing at all": { message: "", want: "550 5.6.0" },
  "a text without a header": { message: "hello\r\n", want: "550 5.6.0" },
  "a From field in the body": { message: `\r\n${FROM}\r\nhi\r\n`, want: "550 5.6.0" },
  "a From field behind a line that is none": { message: `hello\r\n${FROM}\r\nhi\r\n`, want: "550 5.6.0" },
  "a From field that begins as a folded line": { message: ` x\r\n${FROM}\r\nhi\r\n`, want: "550 5.6.0" },
  "a NUL in the header": { message: `${FROM}Subject: a\0b\r\n\r\nhi\r\n`, want: "554 5.6.0" },
  "a NUL in the body": { message: `${FROM}\r\nh\0i\r\n`, want: "554 5.6.0" },
  "a header behind a bare LF": { message: `${FROM}Subject: a\nBcc: eve\r\n\r\nhi\r\n`, want: "554 5.6.0" },
  "a header behind a bare CR": { message: `${FROM}Subject: a\rBcc: eve\r\n\r\nhi\r\n`, want: "554 5.6.0" },
  "a second message behind LF dot LF (smuggling)": {
    message: `${FROM}\r\nhi\n.\nMAIL FROM:<bob@semail.test>\nRCPT TO:<eve@evil.test>\nDATA\n${FROM}\nhi\r\n`,
    want: "554 5.6.0",
  },
  "a second message behind LF dot CRLF": { message: `${FROM}\r\nhi\n.\r\n${MAIL}\r\n`, want: "554 5.6.0" },
  "a second message behind CR dot CR": { message: `${FROM}\r\nhi\r.\r${MAIL}\r\n`, want: "554 5.6.0" },
  "two authors, one of them somebody else": {
    message: "From: alice@semail.test, bob@semail.test\r\n\r\nhi\r\n",
    want: "550 5.7.1",
  },
  "a group of authors": {
    message: "From: us: alice@semail.test, bob@semail.test;\r\n\r\n",
    want: "550 5.6.0",
  },
  "a group of nobody": { message: "From: us:;\r\n\r\nhi\r\n", want: "550 5.6.0" },
  "two From fields": { message: `${FROM}from : bob@semail.test\r\n\r\nhi\r\n`, want: "550 5.6.0" },
  "somebody else who sends": { message: `${FROM}Sender: bob@semail.test\r\n\r\nhi\r\n`, want: "550 5.7.1" },
  "somebody else who resends": {
    message: `Resent-From: bob@semail.test\r\n${FROM}\r\nhi\r\n`,
    want: "550 5.7.1",
  },
  "somebody else who resends behind oneself": {
    message: `Resent-From: alice@semail.test\r\nResent-From: bob@semail.test\r\n${FROM}\r\nhi\r\n`,
    want: "550 5.7.1",
  },
  "somebody else's address before one's own": {
    message: "From: bob@semail.test <alice@semail.test>\r\n\r\nhi\r\n",
    want: "550 5.6.0",
  },
  "an author whom only some readers see": {
    message: "From: (bob@semail.test <) alice@semail.test\r\n\r\nhi\r\n",
    want: "550 5.6.0",
  },
  "a hundred Received fields": {
    message: `${"Received: x\r\n".repeat(100)}${FROM}\r\nhi\r\n`,
    want: "554 5.4.6",
  },
  "ten thousand and one fields": { message: `${"a:\r\n".repeat(10_001)}\r\nhi\r\n`, want: "552 5.3.4" },
};
describe("a message that is refused:", () => {
  for (const [name, { message, want }] of Object.entries(messages)) {
    test(name, async () => {
      const client = await logIn();
      for (const line of [MAIL, RCPT]) assert.match(await client.say(line), /^250 /);
      assert.equal(await client.say("DATA"), "354");
      client.write(`${message}.\r\n`);
      assert.equal(await client.reply(), want);
      // Nothing of it was taken for a command: the session is where it was.
      assert.equal(await client.say("NOOP"), "250 2.0.0");
      client.close();
      await nothingQueued();
    });
  }
});
