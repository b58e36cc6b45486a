/** New cases out of old ones: lines are the grammar's sentences, tokens its words. */
import { CLIENT_PROFILES } from "./client.ts";
import type { Random } from "./random.ts";
import { SERVER_PROFILES } from "./server.ts";
import type { Case, Segment } from "./types.ts";

/** Cases don't grow beyond this. */
const SIZE_MAX = 20_000;

const TOKENS: readonly [string, ...string[]] = [
  "\r\n",
  ...[
    "\n",
    "\r",
    "\0",
    ".",
    "..",
    "\r\n.\r\n",
    "\n.\n",
    "\r\n.\n",
    " ",
    "  ",
    "\t",
    "\x7f",
    "\xff",
    "\xc3\xbc",
  ],
  ...["<>", "<", ">", "@", ":", ";", "=", "+", "+3D", '"', "\\", ",", "[", "]", "*", "\xef\xbf\xbd"],
  ...["LAST", "BDAT", "SIZE=", "BODY=8BITMIME", "BODY=BINARYMIME", "SMTPUTF8", "RET=HDRS", "ENVID=a+20b"],
  ...[
    "NOTIFY=NEVER",
    "NOTIFY=SUCCESS,FAILURE",
    "ORCPT=rfc822;a@b",
    "ORCPT=utf-8;\\x{FC}",
    "AUTH=<>",
    "PLAIN",
  ],
  ...[
    "<alice@semail.test>",
    "<absent@semail.test>",
    '<"a b"@semail.test>',
    "<@x.example,@y.example:a@semail.test>",
  ],
  ...[
    "<a@[192.0.2.1]>",
    "<a@[IPv6:::1]>",
    "<nodata@x.example>",
    "<spammer@x.example>",
    "EACH",
    "LOOP",
    "DISKFULL",
  ],
  ...[
    "250 ",
    "250-",
    "354 go",
    "421 4.3.2 bye",
    "550 5.1.1 no",
    "220 go",
    "STARTTLS",
    "CHUNKING",
    "PIPELINING",
  ],
];

const octets = (random: Random): number => random.pick([0, 1, 2, 5, 6, 12, 39, 40, 41, 999, 1000, 1001]);

function body(random: Random): string {
  const parts = Array.from({ length: random.below(6) }, () =>
    random.pick([
      "text\r\n",
      "\r\n",
      "..\r\n",
      ".x\r\n",
      "EACH\r\n",
      "LOOP\r\n",
      "QUIT\r\n",
      "\n",
      "\r",
      "\0",
      "\xe4\r\n",
    ]),
  );
  return parts.join("");
}

function parameters(random: Random): string {
  return Array.from({ length: random.below(3) }, () => ` ${random.pick(TOKENS)}`).join("");
}

/** Sentences of a client; most are right. */
const SENTENCES: readonly [(random: Random) => string, ...((random: Random) => string)[]] = [
  () => "EHLO c\r\n",
  () => "LHLO c\r\n",
  () => "HELO c\r\n",
  (random) =>
    `MAIL FROM:${random.pick(["<>", "<bob@foreign.example>", "<alice@semail.test>"])}${parameters(random)}\r\n`,
  (random) =>
    `RCPT TO:${random.pick(["<alice@semail.test>", "<full@semail.test>", "<carol@semail.test>"])}${parameters(random)}\r\n`,
  (random) => `DATA\r\n${body(random)}.\r\n`,
  (random) => {
    const text = body(random);
    return `BDAT ${text.length}${random.chance(0.5) ? " LAST" : ""}\r\n${text}`;
  },
  (random) => `BDAT ${octets(random)}${random.chance(0.5) ? " LAST" : ""}\r\n`,
  () => "RSET\r\n",
  () => "STARTTLS\r\n",
  () => "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
  () => "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n",
  (random) =>
    `${random.pick(["NOOP", "HELP", "VRFY", "EXPN", "QUIT", "FOO", "GET"])}${parameters(random)}\r\n`,
];

/** Sentences of a server. */
const ANSWERS: readonly [(random: Random) => string, ...((random: Random) => string)[]] = [
  () => "220 x ESMTP\r\n",
  (random) =>
    `250-x\r\n250-${random.pick(["CHUNKING", "DSN", "STARTTLS", "AUTH PLAIN", "SIZE 10"])}\r\n250-8BITMIME\r\n250 ${random.pick(["PIPELINING", "CHUNKING", "BINARYMIME", "SIZE"])}\r\n`,
  () => "250 2.0.0 ok\r\n",
  () => "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
  () => "354 go\r\n",
  (random) =>
    `${random.pick([235, 334, 421, 450, 452, 500, 501, 503, 550, 552, 554, 999, 100])} ${random.pick(["", "4.2.2 x", "5.1.1 x", "5.5.3 many"])}\r\n`,
  (random) => `250-${"x".repeat(random.below(600))}\r\n`,
  (random) => `250 ${"x".repeat(random.chance(0.05) ? 70_000 : 10)}\r\n`,
  (random) => "250-more\r\n".repeat(random.chance(0.05) ? 7_000 : 3),
];

const linesOf = (text: string): string[] => text.split(/(?<=\r\n)/);

type TextChange = (text: string, random: Random, other: string) => string;

const insert = (text: string, at: number, what: string): string => text.slice(0, at) + what + text.slice(at);

/** Changes within the bytes of one segment. */
const CHANGES: readonly [TextChange, ...TextChange[]] = [
  (text, random) => insert(text, random.below(text.length + 1), random.pick(TOKENS)),
  (text, random) => {
    const at = random.below(text.length);
    return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
  },
  (text, random) => {
    const at = random.below(text.length);
    return text.slice(0, at) + text.slice(at + 1 + random.below(4));
  },
  (text, random) =>
    linesOf(text)
      .toSpliced(random.below(linesOf(text).length), 1)
      .join(""),
  (text, random) => {
    const lines = linesOf(text);
    return lines.toSpliced(random.below(lines.length), 0, random.pick(lines) ?? "").join("");
  },
  (text, random, other) => {
    const lines = linesOf(text);
    const from = linesOf(other);
    const start = random.below(from.length);
    const taken = from.slice(start, start + 1 + random.below(6));
    return lines.toSpliced(random.below(lines.length + 1), random.below(3), ...taken).join("");
  },
  (text, random) => {
    const at = random.below(text.length);
    const piece = text.slice(at, at + 1 + random.below(8));
    return insert(text, at, piece.repeat(1 + random.below(random.chance(0.1) ? 2_000 : 8)));
  },
  (text, random) =>
    text.replace(/[0-9]+/, String(random.pick([0, 1, 7, 40, 41, 999, 1000, 1001, 2 ** 31, 2 ** 53]))),
  (text, random) => text.slice(0, random.below(text.length + 1)),
];

function changeSegment(segment: Segment, given: Case, random: Random, other: Case): Segment {
  if (random.chance(0.4)) {
    const sentence = random.pick(given.target === "server" ? SENTENCES : ANSWERS)(random);
    const lines = linesOf(segment.text);
    return { ...segment, text: lines.toSpliced(random.below(lines.length + 1), 0, sentence).join("") };
  }
  const donor = random.pick(other.segments)?.text ?? "";
  return { ...segment, text: random.pick(CHANGES)(segment.text, random, donor) };
}

/** Changes in what follows what. */
function changeOrder(segments: readonly Segment[], random: Random): Segment[] {
  const at = random.below(segments.length);
  const chosen = segments[at] ?? { text: "" };
  switch (random.below(4)) {
    case 0: {
      const lines = linesOf(chosen.text);
      const place = random.below(lines.length + 1);
      const halves = [
        { ...chosen, text: lines.slice(0, place).join("") },
        { text: lines.slice(place).join("") },
      ];
      return segments.toSpliced(at, 1, ...halves);
    }
    case 1:
      return segments.toSpliced(at, 2, { ...chosen, text: chosen.text + (segments[at + 1]?.text ?? "") });
    case 2:
      return segments.toSpliced(at, 1, { ...chosen, mark: random.pick(["STOP", "GONE"]) });
    default:
      return segments.toSpliced(at, 0, chosen);
  }
}

/** A new case, some steps away from `given`; `other` lends lines. */
export function mutate(given: Case, other: Case, random: Random): Case {
  let { profile, segments } = given;
  if (random.chance(0.1))
    profile = random.pick(given.target === "server" ? SERVER_PROFILES : CLIENT_PROFILES);
  for (let step = 1 + random.below(5); step > 0; step -= 1) {
    if (random.chance(0.1)) segments = changeOrder(segments, random);
    else {
      const at = random.below(segments.length);
      const segment = segments[at];
      if (segment) segments = segments.with(at, changeSegment(segment, given, random, other));
    }
  }
  const limit = given.target === "server" ? SIZE_MAX : 5 * SIZE_MAX;
  const small = segments.slice(0, 30).map((segment) => ({ ...segment, text: segment.text.slice(0, limit) }));
  return { target: given.target, profile, segments: small };
}
