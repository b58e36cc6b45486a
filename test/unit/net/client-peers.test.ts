import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { connect } from "../../../mailserver/net/client.ts";
import { ConnectFailed } from "../../../mailserver/net/types.ts";
import type { Envelope } from "../../../mailserver/smtp/types.ts";
import { options, ordinary, sent, scripted as startScript } from "../../support/sending.ts";

const open: { close(): unknown }[] = [];
after(() => Promise.all(open.map((thing) => thing.close())));

const scripted = async (...script: Parameters<typeof startScript>): Promise<number> => {
  const peer = await startScript(...script);
  open.push(peer);
  return peer.port;
};

describe("peers that misbehave", () => {
  const cases: Readonly<
    Record<
      string,
      {
        answer: Parameters<typeof startScript>[0];
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
    "nonsense behind the last reply": {
      answer: ordinary({ ".": "250 2.0.0 taken\r\nnonsense" }),
      want: ["delivered 250 2.0.0"],
    },
    "lines that end with CR CR LF": {
      answer: ordinary({ ".": "250 2.0.0 taken\r" }, "250-mx\r\r\n250 PIPELINING\r"),
      greeting: "220 hi\r",
      want: ["delivered 250 2.0.0"],
    },
    "a CR within the last reply": {
      answer: ordinary({ ".": "250 2.0.0 taken\ras 4711" }),
      want: ["delivered 250 2.0.0"],
    },
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

describe("once the end of a message is on its way, only the signal for the answer ends it:", () => {
  const TAKEN = "delivered 250 2.0.0";
  const LOST = "temporary 451 4.4.2";
  const ehlo = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING";
  const large = Buffer.from("a line of it\r\n".repeat(20_000));
  const larger = Buffer.from("a line of it\r\n".repeat(2_000_000));
  /** `at`: the line at which the signal is aborted; the answer to it comes after that. */
  const table: Readonly<
    Record<
      string,
      {
        at: string;
        aborted: "signal" | "answerSignal";
        want: string;
        body?: Buffer;
        ehlo?: string;
        protocol?: "lmtp";
      }
    >
  > = {
    "before the message": { at: "DATA", aborted: "signal", want: LOST },
    "the end": { at: ".", aborted: "signal", want: TAKEN },
    "the end of a large one": { at: ".", aborted: "signal", want: TAKEN, body: large },
    "a large one that is not whole": { at: "a line", aborted: "signal", want: LOST, body: larger },
    "a whole chunk": { at: "BDAT", aborted: "signal", want: TAKEN, ehlo },
    "a chunk that goes along with the envelope": {
      at: "BDAT",
      aborted: "signal",
      want: TAKEN,
      ehlo,
      protocol: "lmtp",
    },
    "the answer": { at: ".", aborted: "answerSignal", want: LOST },
    "the answer to a chunk": { at: "BDAT", aborted: "answerSignal", want: LOST, ehlo },
  };
  for (const [name, { at, aborted, want, body, ehlo: extensions, protocol = "smtp" }] of Object.entries(
    table,
  )) {
    test(`${name}, ${aborted}`, { timeout: 5_000 }, async () => {
      const controls = { signal: new AbortController(), answerSignal: new AbortController() };
      const answers = ordinary({ LHLO: extensions ?? "", BDAT: "250 2.0.0 taken" }, extensions);
      const port = await scripted((line, socket) => {
        const answer = answers(line);
        if (at === "." ? line !== at : !line.startsWith(at)) return answer;
        // What of the message the peer has not heard by now it does not.
        if (answer === undefined) socket.pause();
        controls[aborted].abort();
        // What the abort does comes first.
        setImmediate(() => socket.writable && answer && socket.write(`${answer}\r\n`));
        return undefined;
      });
      const { signal } = controls.signal;
      const connect = { signal, answerSignal: controls.answerSignal.signal };
      const found = await sent(port, ["a@b.example"], {
        connect,
        session: { protocol },
        ...(body && { body }),
      });
      assert.deepEqual(found, [want]);
    });
  }
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
