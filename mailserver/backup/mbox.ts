/**
 * Messages as one mbox, the form that every mail program reads (RFC 4155). Lines that begin with From, or with that behind
 * any number of >, get one more > (mboxrd), so that a reader can take it away again and has each message byte by byte.
 * Flags are in Status and X-Status, where mail programs look for them; the folder is in X-Folder. A message is written as
 * it is read: the largest are a good part of a job's memory. Pure.
 */
import { isAscii } from "node:buffer";
import { folderOf } from "./folder-name.ts";

export interface MailFile {
  /** Directory of its folder, below the Maildir. */
  readonly directory: string;
  /** As in the Maildir: flags are behind `:2,`. */
  readonly name: string;
  /** When it was received. */
  readonly received: Date;
  readonly text: AsyncIterable<Uint8Array>;
}

/** The folder's directory and the name of a message by its path in an archive of a box; undefined for what is none. */
export function messageAt(path: string): { directory: string; name: string } | undefined {
  const [, directory = "", name] = /^\/?Maildir\/(?:(\.[^/]+)\/)?(?:cur|new)\/([^/]+)$/.exec(path) ?? [];
  return name === undefined ? undefined : { directory, name };
}

/** Far more than a header has. Of what has no end by then, the fields that are added are the first. */
const LONGEST_HEADER = 2 ** 20;

/** One message as it stands in an mbox, in pieces. */
export async function* toMbox({ directory, name, received, text }: MailFile): AsyncGenerator<Buffer> {
  const flags = /:2,(.*)$/.exec(name)?.[1] ?? "";
  const added = [
    `Status: ${flags.includes("S") ? "RO" : "O"}`,
    `X-Status: ${LETTERS.map(([maildir, mbox]) => (flags.includes(maildir) ? mbox : "")).join("")}`,
    `X-Folder: ${encoded(folderOf(directory))}`,
  ];
  const quote = quoter();
  const begin = (head: string, end: number): Buffer => {
    const sender = /^Return-Path: <([^>\s]+)>$/im.exec(head.slice(0, end))?.[1] ?? "MAILER-DAEMON";
    const fields = quote(`${head.slice(0, end)}${added.join("\n")}\n${head.slice(end)}`);
    return latin1(`From ${sender} ${asctime(received)}\n${fields}`);
  };
  /** What was read of the header; undefined once it was written. */
  let head: string | undefined = "";
  let last = "";
  for await (const piece of unixLines(text)) {
    last = piece;
    if (head === undefined) {
      yield latin1(quote(piece));
      continue;
    }
    head += piece;
    const end = endOfHeader(head);
    if (end === undefined && head.length < LONGEST_HEADER) continue;
    yield begin(head, end ?? 0);
    head = undefined;
  }
  if (head !== undefined) {
    const whole = head === "" || head.endsWith("\n") ? head : `${head}\n`;
    yield begin(whole, whole.length);
    last = "\n";
  }
  yield latin1(`${quote("", true)}${last.endsWith("\n") ? "" : "\n"}\n`);
}

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

/** The bytes as characters, with each CR LF as LF; no piece is empty. */
async function* unixLines(text: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let kept = "";
  for await (const chunk of text) {
    const all = kept + Buffer.from(chunk).toString("latin1");
    kept = all.endsWith("\r") ? "\r" : "";
    const piece = all.slice(0, all.length - kept.length).replaceAll("\r\n", "\n");
    if (piece !== "") yield piece;
  }
  if (kept !== "") yield kept;
}

/** Quotes lines that come in pieces. It keeps what may become the word back until the next, or the `last`. */
function quoter(): (piece: string, last?: boolean) => string {
  let kept = "";
  /** Whether there are only > since the line began. */
  let open = true;
  return (piece, last = false) => {
    const all = kept + piece;
    kept = last ? "" : (/(?:F|Fr|Fro|From)$/.exec(all)?.[0] ?? "");
    const text = all.slice(0, all.length - kept.length);
    const quoted = text.replaceAll(/(^|\n)(>*)From /g, (found, start: string, marks: string) =>
      start === "" && !open ? found : `${start}>${marks}From `,
    );
    const line = text.lastIndexOf("\n") + 1;
    open = (line > 0 || open) && /^>*$/.test(text.slice(line));
    return quoted;
  };
}

/** Letters of Maildir and of X-Status. */
const LETTERS = [
  ["R", "A"],
  ["F", "F"],
  ["D", "T"],
  ["T", "D"],
] as const;

/** RFC 2047 section 2: at most 75 characters a word, and whole characters in each. */
function encoded(text: string): string {
  if (isAscii(Buffer.from(text)) && !text.includes("=?")) return text;
  const pieces = [...text].flatMap((_, at, all) => (at % 10 === 0 ? [all.slice(at, at + 10).join("")] : []));
  return pieces.map((piece) => `=?utf-8?B?${Buffer.from(piece).toString("base64")}?=`).join("\n ");
}

/** Where the empty line is; undefined where there is none. */
function endOfHeader(text: string): number | undefined {
  if (text.startsWith("\n")) return 0;
  const at = text.indexOf("\n\n");
  return at < 0 ? undefined : at + 1;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** RFC 4155: as asctime(3) has it, in UTC. */
function asctime(date: Date): string {
  const two = (number: number, fill = "0"): string => String(number).padStart(2, fill);
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    .map((part) => two(part))
    .join(":");
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate(), " ")} ${time} ${date.getUTCFullYear()}`;
}
