import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect, deliver } from "../../../mailserver/net/client.ts";
import { type Body, ConnectFailed, type ConnectOptions } from "../../../mailserver/net/types.ts";
import { parseAddress } from "../../../mailserver/smtp/address.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Address, ClientOptions, Envelope, Outcome } from "../../../mailserver/smtp/types.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import { listenForMail } from "../../support/mail-listener.ts";

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

const address = (text: string): Address => {
  const found = parseAddress(text, { utf8: true });
  if (!found) throw new Error(`no address: ${text}`);
  return found;
};

const envelope = (to: readonly string[], more: Partial<Envelope> = {}): Envelope => ({
  from: address("bob@foreign.example"),
  recipients: to.map(address),
  size: 10,
  eightBit: false,
  smtputf8: false,
  ...more,
});

const BODY = Buffer.from("Subject: x\r\n\r\n.dot\r\n");

const options = (port: number, session: Partial<ClientOptions> = {}): ConnectOptions => ({
  host: "127.0.0.1",
  port,
  session: { protocol: "smtp", hostname: "out.semail.test", tls: "opportunistic", ...session },
  timeouts: { connectMs: 2_000, replyMs: 2_000, messageMs: 2_000 },
});

const kinds = (outcomes: readonly Outcome[]): string[] =>
  outcomes.map(({ kind, reply }) => `${kind} ${reply.code} ${reply.enhanced ?? ""}`.trim());

/** What `deliver` came to, in short. */
async function sent(
  port: number,
  to: readonly string[],
  more: {
    session?: Partial<ClientOptions>;
    envelope?: Partial<Envelope>;
    body?: Body;
    connect?: Partial<ConnectOptions>;
  } = {},
): Promise<string[]> {
  const report = await deliver(
    { ...options(port, more.session), ...more.connect },
    envelope(to, more.envelope),
    more.body ?? BODY,
  );
  if (report.kind === "done") return kinds(report.outcomes);
  const { stage, reply } = report.failure;
  return [`failed at ${stage}: ${reply.code} ${reply.enhanced ?? ""}`.trim()];
}

/** A peer that answers each line by a script: a reply, or what to do with the socket. */
async function scripted(
  answer: (line: string, socket: Socket) => string | undefined,
  greeting = "220 hi",
): Promise<number> {
  const server: Server = createServer((socket) => {
    let rest = "";
    socket.on("error", () => {});
    socket.write(`${greeting}\r\n`);
    socket.on("data", (chunk) => {
      const lines = (rest + chunk.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const reply = answer(line, socket);
        if (reply !== undefined && !socket.writableEnded) socket.write(`${reply}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  open.push({ close: () => server.close() });
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

/** Replies of an ordinary server, save for those given. */
const ordinary =
  (special: Readonly<Record<string, string>>, ehlo = "250-mx\r\n250-PIPELINING\r\n250 8BITMIME") =>
  (line: string): string | undefined => {
    const found = Object.entries(special).find(([start]) => line.startsWith(start));
    if (found) return found[1];
    if (line.startsWith("EHLO")) return ehlo;
    if (line === "DATA") return "354 go";
    if (line === ".") return "250 2.0.0 taken";
    if (/^(MAIL|RCPT|RSET|HELO)/.test(line)) return "250 fine";
    return line === "QUIT" ? "221 bye" : undefined;
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
    const verify = (name: string, ca: string) => ({ connect: { verify: { name, ca } } });
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

describe("peers that misbehave", () => {
  const cases: Readonly<
    Record<
      string,
      {
        answer: Parameters<typeof scripted>[0];
        greeting?: string;
        to?: string[];
        envelope?: Partial<Envelope>;
        want: string[];
      }
    >
  > = {
    "a refusing greeting": {
      answer: ordinary({}),
      greeting: "554 5.7.1 go away",
      want: ["failed at greeting: 554 5.7.1"],
    },
    "a greeting that makes no sense": {
      answer: ordinary({}),
      greeting: "SSH-2.0",
      want: ["failed at greeting: 451 4.5.0"],
    },
    "a server without EHLO": { answer: ordinary({ EHLO: "502 what" }), want: ["delivered 250 2.0.0"] },
    "421 to EHLO": { answer: ordinary({ EHLO: "421 4.3.2 later" }), want: ["failed at helo: 421 4.3.2"] },
    "MAIL refused for now": {
      answer: ordinary({ MAIL: "451 4.7.1 greylisted", RCPT: "503 5.5.1 no" }),
      to: ["a@b.example", "b@b.example"],
      want: ["temporary 451 4.7.1", "temporary 451 4.7.1"],
    },
    "one RCPT refused for good, one for now": {
      answer: ordinary({ "RCPT TO:<a@": "550 5.1.1 no", "RCPT TO:<b@": "450 4.2.1 busy" }),
      to: ["a@b.example", "b@b.example", "c@b.example"],
      want: ["permanent 550 5.1.1", "temporary 450 4.2.1", "delivered 250 2.0.0"],
    },
    "552 for too many recipients is temporary": {
      answer: ordinary({ "RCPT TO:<b@": "552 5.5.3 too many" }),
      to: ["a@b.example", "b@b.example"],
      want: ["delivered 250 2.0.0", "temporary 552 5.5.3"],
    },
    "DATA refused": { answer: ordinary({ DATA: "554 5.5.1 no" }), want: ["permanent 554 5.5.1"] },
    "2xx to DATA": { answer: ordinary({ DATA: "250 what" }), want: ["temporary 451 4.5.0"] },
    "the message refused": { answer: ordinary({ ".": "554 5.6.0 spam" }), want: ["permanent 554 5.6.0"] },
    "421 in place of the last reply": {
      answer: ordinary({ ".": "421 4.3.0 down" }),
      want: ["temporary 421 4.3.0"],
    },
    "8BITMIME is not offered": {
      answer: ordinary({}, "250 mx"),
      envelope: { eightBit: true },
      want: ["permanent 554 5.6.3"],
    },
    "SMTPUTF8 is not offered": {
      answer: ordinary({}),
      envelope: { smtputf8: true },
      want: ["permanent 553 5.6.7"],
    },
    "the size is above the peer's limit": {
      answer: ordinary({}, "250-mx\r\n250 SIZE 9"),
      want: ["permanent 552 5.3.4"],
    },
    "no number after SIZE": { answer: ordinary({}, "250-mx\r\n250 SIZE"), want: ["delivered 250 2.0.0"] },
    "STARTTLS offered and refused": {
      answer: ordinary({ STARTTLS: "454 4.7.0 not now" }, "250-mx\r\n250 STARTTLS"),
      want: ["delivered 250 2.0.0"],
    },
    "silence in place of a handshake": {
      answer: ordinary({ STARTTLS: "220 go" }, "250-mx\r\n250 STARTTLS"),
      want: ["failed at tls: 451 4.4.2"],
    },
    "a handshake that fails": {
      answer: (line, socket) => {
        if (line !== "STARTTLS") return ordinary({}, "250-mx\r\n250 STARTTLS")(line);
        socket.once("data", () => socket.write("this is no TLS\r\n"));
        return "220 go";
      },
      want: ["failed at tls: 451 4.7.5"],
    },
    "silence after MAIL": {
      answer: (line) => (line.startsWith("MAIL") ? undefined : ordinary({})(line)),
      want: ["temporary 451 4.4.2"],
    },
    "closing after a refused RCPT": {
      answer: (line, socket) => {
        if (!line.startsWith("RCPT")) return ordinary({})(line);
        socket.end("550 5.1.1 no\r\n");
        return undefined;
      },
      want: ["permanent 550 5.1.1"],
    },
    "closing in the middle": {
      answer: (line, socket) => {
        if (line === ".") socket.destroy();
        return line === "." ? undefined : ordinary({ "RCPT TO:<a@": "550 5.1.1 no" })(line);
      },
      to: ["a@b.example", "b@b.example"],
      want: ["permanent 550 5.1.1", "temporary 451 4.4.2"],
    },
    "a refusal in the middle of the body": {
      answer: (line) => (line.startsWith("Subject") ? "552 5.3.4 too big" : ordinary({ ".": "" })(line)),
      want: ["permanent 552 5.3.4"],
    },
  };
  for (const [name, { answer, greeting, to, envelope: more, want }] of Object.entries(cases)) {
    test(name, async () => {
      const port = await scripted(answer, greeting);
      assert.deepEqual(await sent(port, to ?? ["a@b.example"], more ? { envelope: more } : {}), want);
    });
  }

  test("fewer LMTP replies than recipients: the rest is temporary", async () => {
    const port = await scripted((line, socket) => {
      if (line.startsWith("LHLO")) return "250 box";
      if (line !== ".") return ordinary({})(line);
      socket.end("250 2.0.0 one\r\n");
      return undefined;
    });
    const found = await sent(port, ["a@b.example", "b@b.example"], { session: { protocol: "lmtp" } });
    assert.deepEqual(found, ["delivered 250 2.0.0", "temporary 451 4.4.2"]);
  });

  test("nobody listens", async () => {
    const port = await scripted(() => undefined);
    await open.pop()?.close();
    const failure = await connect(options(port)).catch((error: unknown) => error);
    assert.ok(failure instanceof ConnectFailed);
    assert.equal(failure.stage, "connect");
    assert.match(String((failure.cause as Error).message), /ECONNREFUSED/);
  });

  test("an abort ends a delivery that waits", async () => {
    const control = new AbortController();
    const port = await scripted((line) => {
      if (line.startsWith("MAIL")) control.abort();
      return line.startsWith("MAIL") ? undefined : ordinary({})(line);
    });
    const found = await sent(port, ["a@b.example"], { connect: { signal: control.signal } });
    assert.deepEqual(found, ["temporary 451 4.4.2"]);
  });
});

test("PIPELINING sends MAIL and every RCPT at once, without it one waits for the other", async () => {
  for (const [ehlo, want] of [
    ["250-mx\r\n250 PIPELINING", 3],
    ["250 mx", 1],
  ] as const) {
    let unanswered = 0;
    let most = 0;
    const port = await scripted((line, socket) => {
      if (!/^(MAIL|RCPT)/.test(line)) return ordinary({}, ehlo)(line);
      unanswered += 1;
      // Answered only when everything that came along has been counted.
      setImmediate(() => {
        most = Math.max(most, unanswered);
        unanswered = 0;
        socket.write("250 fine\r\n");
      });
      return undefined;
    });
    await sent(port, ["a@b.example", "b@b.example"]);
    assert.equal(most, want);
  }
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
