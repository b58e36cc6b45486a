/** The client session alone: what it writes for what the peer says. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { ClientSession } from "../../../mailserver/smtp/client-session.ts";
import { isCanonical } from "../../../mailserver/smtp/dot-stuff.ts";
import type { ClientAction, ClientOptions, Envelope } from "../../../mailserver/smtp/types.ts";

const ENVELOPE: Envelope = {
  from: makeAddress("bob", "a.example"),
  recipients: [makeAddress("carol", "b.example"), makeAddress("dave", "b.example")],
  size: 7,
  eightBit: false,
  smtputf8: false,
};

function describeAction(action: ClientAction): string[] {
  if (action.kind === "write") return [Buffer.from(action.bytes).toString().trimEnd()];
  if (action.kind === "outcomes") return action.outcomes.map(({ kind, reply }) => `${kind} ${reply.code}`);
  return action.kind === "body" ? [`[${action.framing}]`] : [];
}

/** Plays lines of the peer; gives the session and what it wanted. */
function dialogue(
  peer: readonly string[],
  given: Partial<Envelope> = {},
  protocol: ClientOptions["protocol"] = "smtp",
) {
  const session = new ClientSession({ protocol, hostname: "c.example", tls: "never" });
  const all: ClientAction[] = [];
  let begun = false;
  const perform = (actions: readonly ClientAction[]): void => {
    all.push(...actions);
    if (actions.some(({ kind }) => kind === "body")) perform(session.bodySent());
    if (begun || !session.state.ready) return;
    begun = true;
    perform(session.begin({ ...ENVELOPE, ...given }, 7));
  };
  for (const line of peer) perform(session.receive(Buffer.from(`${line}\r\n`)));
  return { session, actions: all };
}

/** Gives what was written after the greeting, `[body …]` and the outcomes. */
function play(...given: Parameters<typeof dialogue>): string[] {
  return dialogue(...given)
    .actions.flatMap(describeAction)
    .slice(1);
}

const DSN = { ret: "HDRS", envid: "a+b=c d" } as const;
const RECIPIENT_DSN = [
  { notify: ["SUCCESS", "DELAY"], orcpt: { type: "rfc822", address: "Carol+x@b.example" } },
  { notify: [], orcpt: { type: "utf-8", address: "jürgen\\+@x.example" } },
] as const;

describe("a client session", () => {
  test("sends the message as one chunk to a peer with CHUNKING", () => {
    assert.deepEqual(play(["220 x", "250-x\r\n250 CHUNKING", "250 a", "250 b", "550 c", "250 done"]), [
      "MAIL FROM:<bob@a.example>",
      "RCPT TO:<carol@b.example>",
      "RCPT TO:<dave@b.example>",
      "BDAT 7 LAST",
      "[octets]",
      "delivered 250",
      "permanent 550",
    ]);
  });

  test("says RSET after a refused chunk before it goes on", () => {
    const said = play([
      "220 x",
      "250-x\r\n250 CHUNKING",
      "250 a",
      "250 b",
      "250 c",
      "552 5.3.4 big",
      "250 reset",
    ]);
    assert.deepEqual(said.slice(4), ["[octets]", "RSET", "permanent 552", "permanent 552"]);
  });

  test("in LMTP too, where each recipient has its answer", () => {
    const peer = [
      "220 x",
      "250-x\r\n250 CHUNKING",
      "250 a",
      "250 b",
      "250 c",
      "452 4.2.2 full",
      "250 ok",
      "250 reset",
    ];
    const said = play(peer, {}, "lmtp");
    assert.deepEqual(said.slice(3), ["BDAT 7 LAST", "[octets]", "RSET", "temporary 452", "delivered 250"]);
  });

  test("sends no chunk when every recipient is refused", () => {
    const said = play(["220 x", "250-x\r\n250 CHUNKING", "250 a", "550 b", "550 c", "250 reset"]);
    assert.deepEqual(said.slice(3), ["RSET", "permanent 550", "permanent 550"]);
  });

  /** To two recipients, each of whom has an answer before RSET. */
  const RESETS: readonly (readonly [string, readonly string[]])[] = [
    ["a refused sender", ["250 x", "451 a"]],
    ["refused recipients", ["250 x", "250 a", "550 b", "550 c"]],
    ["refused DATA", ["250 x", "250 a", "250 b", "250 c", "451 d"]],
    ["a refused chunk", ["250-x\r\n250 CHUNKING", "250 a", "250 b", "250 c", "452 d"]],
  ];
  const SESSION_AFTER_RESET: readonly (readonly [string, string])[] = [
    ["250 reset", "ready"],
    ["252 reset", "ready"],
    ["354 what", "close"],
    ["421 bye", "close"],
    ["451 not now", "close"],
    ["500 what", "close"],
    ["502 5.5.1 not implemented", "close"],
    ["503 5.5.1 bad sequence", "close"],
  ];
  for (const [what, peer] of RESETS) {
    for (const [answer, end] of SESSION_AFTER_RESET) {
      test(`${answer} to RSET after ${what}: ${end}, and the outcomes are what they were`, () => {
        const { session, actions } = dialogue(["220 x", ...peer, answer]);
        const said = actions.flatMap(describeAction);
        const code = (peer.at(-1) ?? "").slice(0, 3);
        const outcome = `${code < "500" ? "temporary" : "permanent"} ${code}`;
        assert.deepEqual(said.slice(-3), ["RSET", outcome, outcome]);
        assert.equal(actions.at(-1)?.kind, end);
        assert.equal(session.state.ready, end === "ready");
      });
    }
  }

  const EARLY = ["220 x", "250-x\r\n250-PIPELINING\r\n250 CHUNKING"];
  const TOGETHER = ["MAIL FROM:<bob@a.example>", "RCPT TO:<carol@b.example>", "BDAT 7 LAST", "[octets]"];
  const one: Partial<Envelope> = { recipients: ENVELOPE.recipients.slice(0, 1) };
  for (const [what, peer, end] of [
    ["taken", ["250 a", "250 b", "250 c"], ["delivered 250"]],
    ["refused after all", ["250 a", "250 b", "452 4.2.2 full", "250 reset"], ["RSET", "temporary 452"]],
    [
      "of a refused recipient",
      ["250 a", "552 5.2.2 b", "503 5.5.1 c", "250 reset"],
      ["RSET", "permanent 552"],
    ],
    ["of a refused recipient, taken for nobody", ["250 a", "552 5.2.2 b", "250 c"], ["permanent 552"]],
    ["of a refused sender", ["451 a", "503 b", "503 c", "250 reset"], ["RSET", "temporary 451"]],
    ["cut off by 421", ["250 a", "250 b", "421 4.3.2 bye"], ["temporary 421"]],
    // What follows could be the answer to anything.
    ["answered nonsense", ["250 a", "250 b", "354 c"], ["temporary 451"]],
  ] as const) {
    test(`sends a box a small message along with its envelope: ${what}`, () => {
      assert.deepEqual(play([...EARLY, ...peer], one, "lmtp"), [...TOGETHER, ...end]);
    });
  }

  test("and says nothing more when the envelope is answered before the message is out", () => {
    const session = new ClientSession({ protocol: "lmtp", hostname: "c.example", tls: "never" });
    const hear = (line: string) => session.receive(Buffer.from(`${line}\r\n`)).flatMap(describeAction);
    for (const line of EARLY) hear(line);
    assert.deepEqual(session.begin({ ...ENVELOPE, ...one }, 7).flatMap(describeAction), TOGETHER);
    assert.deepEqual([...hear("250 a"), ...hear("250 b")], []);
    session.bodySent();
    assert.deepEqual(hear("250 c"), ["delivered 250"]);
  });

  for (const [greeting, wanted] of [
    ["250-box-bob Hello\r\n250 PIPELINING", "unusable 451 4.4.1"],
    ["250 BOX-ALICE", "ready"],
  ] as const) {
    test(`leaves a peer that answers LHLO with ${JSON.stringify(greeting)} instead of box-alice: ${wanted}`, () => {
      const options = {
        protocol: "lmtp",
        hostname: "c.example",
        tls: "never",
        peerName: "box-alice",
      } as const;
      const session = new ClientSession(options);
      session.receive(Buffer.from("220 box-bob Dovecot ready.\r\n"));
      const [action] = session.receive(Buffer.from(`${greeting}\r\n`));
      const said = action?.kind === "unusable" ? ` ${action.reply.code} ${action.reply.enhanced}` : "";
      assert.equal(`${action?.kind}${said}`, wanted);
    });
  }

  test("but not over SMTP, nor for several recipients", () => {
    const peer = [...EARLY, "250 a", "250 b", "250 c"];
    assert.ok(!play(EARLY, one).includes("BDAT 7 LAST"));
    assert.ok(!play(EARLY, {}, "lmtp").includes("BDAT 7 LAST"));
    assert.deepEqual(play(peer, {}, "lmtp").slice(3), ["BDAT 7 LAST", "[octets]"]);
  });

  test("passes DSN's parameters on to a peer that offers DSN, in ASCII", () => {
    const said = play(["220 x", "250-x\r\n250-DSN\r\n250 PIPELINING"], {
      dsn: DSN,
      recipientDsn: RECIPIENT_DSN,
    });
    assert.deepEqual(said, [
      "MAIL FROM:<bob@a.example> RET=HDRS ENVID=a+2Bb+3Dc+20d",
      "RCPT TO:<carol@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Carol+2Bx@b.example",
      "RCPT TO:<dave@b.example> NOTIFY=NEVER ORCPT=utf-8;j\\x{FC}rgen\\x{5C}\\x{2B}@x.example",
    ]);
  });

  test("keeps them from one that does not", () => {
    const said = play(["220 x", "250-x\r\n250 PIPELINING"], { dsn: DSN, recipientDsn: RECIPIENT_DSN });
    assert.deepEqual(said[0], "MAIL FROM:<bob@a.example>");
    assert.deepEqual(said[1], "RCPT TO:<carol@b.example>");
  });

  test("sends a binary message only to a peer that takes it", () => {
    const able = play(["220 x", "250-x\r\n250-BINARYMIME\r\n250 CHUNKING"], { binary: true });
    assert.deepEqual(able, ["MAIL FROM:<bob@a.example> BODY=BINARYMIME"]);
    const unable = play(["220 x", "250-x\r\n250 CHUNKING"], { binary: true });
    assert.deepEqual(unable, ["permanent 554", "permanent 554"]);
  });
});

describe("SMTPUTF8 (RFC 6531)", () => {
  const PLAIN = ["<carol@b.example>", "<dave@b.example>"];
  const carol = makeAddress("carol", "b.example");
  const dave = makeAddress("dave", "b.example");
  const wide = makeAddress("jörg", "b.example");
  const other = makeAddress("bob", "bücher.example");
  const table: readonly {
    readonly what: string;
    readonly given: Partial<Envelope>;
    /** With a peer that has it: whether it is said, and who gets the message. */
    readonly said: boolean;
    readonly to?: readonly string[];
    /** Of a peer that has not: who gets the message, and what becomes of each. */
    readonly without: readonly string[];
    readonly outcomes: readonly string[];
  }[] = [
    {
      ...{ what: "nothing needs it", given: {}, said: false },
      ...{ without: PLAIN, outcomes: ["delivered 250", "delivered 250"] },
    },
    {
      ...{ what: "the header does", given: { smtputf8: true }, said: true },
      ...{ without: [], outcomes: ["permanent 553", "permanent 553"] },
    },
    {
      ...{ what: "the sender does", given: { from: wide }, said: true },
      ...{ without: [], outcomes: ["permanent 553", "permanent 553"] },
    },
    {
      ...{ what: "the sender's domain does", given: { from: other }, said: true },
      ...{ without: [], outcomes: ["permanent 553", "permanent 553"] },
    },
    {
      ...{ what: "the last recipient does", given: { recipients: [carol, wide] }, said: true },
      to: ["<carol@b.example>", "<jörg@b.example>"],
      ...{ without: ["<carol@b.example>"], outcomes: ["delivered 250", "permanent 553"] },
    },
    {
      ...{ what: "the first recipient does", given: { recipients: [other, dave] }, said: true },
      to: ["<bob@bücher.example>", "<dave@b.example>"],
      ...{ without: ["<dave@b.example>"], outcomes: ["permanent 553", "delivered 250"] },
    },
    {
      ...{ what: "all recipients do", given: { recipients: [wide, other] }, said: true },
      to: ["<jörg@b.example>", "<bob@bücher.example>"],
      ...{ without: [], outcomes: ["permanent 553", "permanent 553"] },
    },
  ];
  for (const { what, given, said, to = PLAIN, without, outcomes } of table) {
    for (const pipelining of ["", "250-PIPELINING\r\n"]) {
      for (const protocol of ["smtp", "lmtp"] as const) {
        const how = `${protocol}${pipelining && ", pipelined"}`;
        const hear = (extensions: string, count: number) => {
          const accepted = Array<string>(protocol === "lmtp" ? count : 1).fill("250 taken");
          const rcpts = Array<string>(count).fill("250 b");
          return play(
            ["220 x", `250-x\r\n${pipelining}${extensions}`, "250 a", ...rcpts, "354 go", ...accepted],
            given,
            protocol,
          );
        };
        const rcpts = (lines: readonly string[]) =>
          lines.filter((line) => line.startsWith("RCPT")).map((line) => line.slice("RCPT TO:".length));

        test(`${what}: said ${said ? "" : "not even "}to a peer that has it (${how})`, () => {
          const lines = hear("250 SMTPUTF8", to.length);
          assert.equal(lines[0]?.endsWith(" SMTPUTF8"), said);
          assert.deepEqual(rcpts(lines), to);
          assert.deepEqual(lines.slice(-2), ["delivered 250", "delivered 250"]);
        });

        test(`${what}: one that has it not gets what it can take (${how})`, () => {
          const lines = hear("250 SIZE", without.length);
          assert.deepEqual(rcpts(lines), without);
          assert.ok(!lines.some((line) => line.includes("SMTPUTF8")));
          assert.equal(lines.includes("DATA"), without.length > 0);
          assert.deepEqual(lines.slice(-2), outcomes);
        });
      }
    }
  }
});

describe("text that may go in chunks", () => {
  for (const [text, want] of [
    ["", true],
    ["a\r\n", true],
    ["a\r\n\r\n", true],
    ["a", false],
    ["a\n", false],
    ["a\r", false],
    ["a\rb\r\n", false],
    ["\r\r\n", false],
    ["\n", false],
  ] as const) {
    test(`${JSON.stringify(text)} is ${want ? "" : "not "}in whole lines`, () => {
      assert.equal(isCanonical(Buffer.from(text)), want);
    });
  }
});
