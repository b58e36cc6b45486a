/** Plays a case against a server session, cut in several ways, and looks for what must never happen. */
import { LINE_MAX } from "../../mailserver/smtp/line-reader.ts";
import { readOptions, Stage } from "../unit/smtp/dialogue.ts";
import type { Random } from "./random.ts";
import { byteByByte, type Case, type Cut, type Verdict, whole } from "./types.ts";

/** Profiles of the dialogues, and limits that are reached. */
export const SERVER_PROFILES: readonly [string[], ...string[][]] = [
  ["mx"],
  ["mx", "errors=1000", "commands=1000"],
  ["mx", "messageBytes=40", "recipients=2"],
  ["mx", "transactions=2", "commands=9"],
  ["binary", "errors=1000"],
  ["submission"],
  ["submission", "implicit"],
  ["relay", "errors=1000"],
  ["lmtp", "errors=1000"],
  ["lmtp", "binary", "messageBytes=40"],
  ["nodsn"],
];

/** Longer plays are not cut into single bytes. */
const BYTE_BY_BYTE_MAX = 3_000;

function play({ profile, segments }: Case, cut: Cut, eager: boolean): Stage {
  const stage = new Stage(
    {
      name: "",
      options: readOptions(profile),
      implicitTls: profile.includes("implicit"),
      words: profile,
      steps: [],
    },
    eager,
  );
  stage.release();
  for (const { mark, text } of segments) {
    if (stage.events.at(-1) === "(starttls)") stage.mark("TLS");
    if (mark) stage.mark(mark);
    for (const piece of cut(Buffer.from(text, "latin1"))) {
      stage.send(piece);
      // Eager: questions are answered at once, so only a line that is not whole may be kept.
      if (eager && stage.buffered > LINE_MAX) throw new Error(`${stage.buffered} bytes are kept`);
    }
    stage.release();
  }
  return stage;
}

const REPLIES = /^(?:[2-5][0-9]{2}[ -][ -~]{0,506}\r\n)*$/;

/** What is wrong with what happened, whatever the client said. */
function faultOf({ profile }: Case, { events, written }: Stage): string | undefined {
  if (!REPLIES.test(written)) return "a reply is not well-formed";
  const end = events.indexOf("CLOSE");
  if (end >= 0 && end < events.length - 1) return `after the end: ${events[end + 1]}`;
  const messages = events.flatMap((event, index) => (event.startsWith("M: ") ? [index] : []));
  const login = events.findIndex((event) => event.startsWith("S: 235"));
  const submission = profile.includes("submission") || profile.includes("relay");
  for (const index of messages) {
    if (submission && !(login >= 0 && login < index)) return "a message without authentication";
    const fault = messageFault(events[index] ?? "", profile) ?? answerFault(events, index, profile);
    if (fault) return fault;
  }
  return undefined;
}

/** RFC 2033 section 4.2: as many replies as recipients; in SMTP one. */
function answerFault(
  events: readonly string[],
  index: number,
  profile: readonly string[],
): string | undefined {
  const to = /-> (.*?) "/.exec(events[index] ?? "")?.[1] ?? "";
  const count = profile.includes("lmtp") ? to.split(",<").length : 1;
  const answers = events.slice(index + 1, index + 1 + count).filter((event) => event.startsWith("S: "));
  // A session may end in between: too many refusals.
  const short = answers.length < count && !answers.some((answer) => answer.startsWith("S: 421"));
  return short ? "a message has fewer replies than recipients" : undefined;
}

function messageFault(event: string, profile: readonly string[]): string | undefined {
  const [, to = "", json = ""] = /^M: <.*?> -> (.*?) (".*")(?: |$)/.exec(event) ?? [];
  if (to === "") return `a message without recipients: ${event}`;
  const text = /^"(?:[^"\\]|\\.)*"/.exec(json)?.[0] ?? '""';
  const bare = String(JSON.parse(text)).replaceAll("\r\n", "");
  return !profile.includes("binary") && /[\r\n\0]/.test(bare) ? "a message with bare line ends" : undefined;
}

/** Splits must make no difference, and nothing that is always wrong may happen. */
export function checkServer(given: Case, random: Random): Verdict {
  let trace: readonly string[] = [];
  try {
    const usual = play(given, whole, true);
    trace = usual.events.map((event) => event.slice(0, 12));
    const fault = faultOf(given, usual);
    if (fault) return { fault, trace };
    const size = given.segments.reduce((sum, { text }) => sum + text.length, 0);
    const ways: [string, Cut, boolean][] = [
      ["cut at random", (bytes) => random.cut(bytes), true],
      ["cut at random, answered late", (bytes) => random.cut(bytes), false],
      ["answered late", whole, false],
    ];
    if (size < BYTE_BY_BYTE_MAX) ways.push(["byte by byte", byteByByte, random.chance(0.5)]);
    for (const [name, cut, eager] of ways) {
      const other = play(given, cut, eager);
      const at = other.events.findIndex((event, index) => event !== usual.events[index]);
      if (at >= 0 || other.events.length !== usual.events.length) {
        const place = at < 0 ? other.events.length : at;
        return { fault: `${name}: ${other.events[place]} instead of ${usual.events[place]}`, trace };
      }
    }
    return { fault: undefined, trace };
  } catch (error) {
    return { fault: `thrown: ${(error as Error).stack}`, trace };
  }
}
