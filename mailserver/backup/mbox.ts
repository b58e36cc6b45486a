/**
 * Messages as one mbox, the form that every mail program reads (RFC 4155). Lines that begin with From, or with that behind
 * any number of >, get one more > (mboxrd), so that a reader can take it away again and has each message byte by byte.
 * Flags are in Status and X-Status, where mail programs look for them; the folder is in X-Folder. Pure.
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
  readonly text: Buffer;
}

/** The folder's directory and the name of a message by its path in an archive of a box; undefined for what is none. */
export function messageAt(path: string): { directory: string; name: string } | undefined {
  const [, directory = "", name] = /^\/?Maildir\/(?:(\.[^/]+)\/)?(?:cur|new)\/([^/]+)$/.exec(path) ?? [];
  return name === undefined ? undefined : { directory, name };
}

/** One message as it stands in an mbox. */
export function toMbox({ directory, name, received, text }: MailFile): Buffer {
  const body = text.toString("latin1").replaceAll("\r\n", "\n");
  const sender =
    /^Return-Path: <([^>\s]+)>$/im.exec(body.slice(0, endOfHeader(body)))?.[1] ?? "MAILER-DAEMON";
  const flags = /:2,(.*)$/.exec(name)?.[1] ?? "";
  const added = [
    `Status: ${flags.includes("S") ? "RO" : "O"}`,
    `X-Status: ${LETTERS.map(([maildir, mbox]) => (flags.includes(maildir) ? mbox : "")).join("")}`,
    `X-Folder: ${encoded(folderOf(directory))}`,
  ];
  const end = endOfHeader(body);
  const whole = `${body.slice(0, end)}${added.join("\n")}\n${body.slice(end)}`;
  const quoted = whole.replaceAll(/^>*From /gm, ">$&");
  return Buffer.from(
    `From ${sender} ${asctime(received)}\n${quoted}${quoted.endsWith("\n") ? "" : "\n"}\n`,
    "latin1",
  );
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

/** Where the empty line is; the end where there is none. */
function endOfHeader(text: string): number {
  if (text.startsWith("\n")) return 0;
  const at = text.indexOf("\n\n");
  return at < 0 ? text.length : at + 1;
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
