/** The header section of a message as bytes (RFC 5322 section 2.2). Pure. */
import { SmtpError } from "../smtp/error.ts";
import { reply } from "../smtp/replies.ts";

/** One field with its folded lines. */
export interface Field {
  /** Lower case. */
  readonly name: string;
  /** Name, colon, value and the line break at the end. */
  readonly raw: Buffer;
}

export interface Message {
  readonly fields: readonly Field[];
  /** Without the empty line before it. */
  readonly body: Buffer;
}

const FIELD = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/;
/** How a message begins in a mailbox of Unix (RFC 4155); some senders leave it there, or quote it. */
const MAILBOX_LINE = /^>*From /;
const CRLF = "\r\n";
const TOO_LARGE = reply(
  552,
  "5.3.4",
  "The header of the message is too large: at most 1 MiB and 10,000 fields",
);

/** More than this is no header that anybody wrote; each field costs some hundred bytes of its own. */
const MAX_HEADER_BYTES = 1_048_576;
const MAX_FIELDS = 10_000;

/**
 * Throws SmtpError when the header is too large. Lines end with CRLF. A line that is no field ends the header, as an empty
 * line does, unless it is the first of all and one of a Unix mailbox.
 */
export function parseMessage(bytes: Buffer): Message {
  const fields: { name: string; start: number; end: number }[] = [];
  const start = endOfMailboxLine(bytes);
  let position = start;
  while (position < bytes.length) {
    const end = endOfLine(bytes, position);
    const line = bytes.toString("latin1", position, end);
    if (line === CRLF) {
      position = end;
      break;
    }
    const last = fields.at(-1);
    const name = FIELD.exec(line)?.[1];
    if (/^[ \t]/.test(line) && last !== undefined) last.end = end;
    else if (name !== undefined) fields.push({ name: name.toLowerCase(), start: position, end });
    else break;
    position = end;
    if (position > MAX_HEADER_BYTES || fields.length > MAX_FIELDS) throw new SmtpError(TOO_LARGE);
  }
  const raw = ({ name, start, end }: { name: string; start: number; end: number }): Field => ({
    name,
    raw: withLineBreak(bytes.subarray(start, end)),
  });
  const above = start === 0 ? [] : [mailboxField(bytes.subarray(0, start))];
  return { fields: [...above, ...fields.map(raw)], body: bytes.subarray(position) };
}

/** Others name it so, too: nothing that somebody wrote is lost. */
function mailboxField(line: Buffer): Field {
  return { name: "x-mailbox-line", raw: Buffer.concat([Buffer.from("X-Mailbox-Line: "), line]) };
}

function endOfLine(bytes: Buffer, start: number): number {
  const found = bytes.indexOf(CRLF, start);
  return found < 0 ? bytes.length : found + 2;
}

/** Of one above the first field, which it would keep from being read; 0 when there is none. */
function endOfMailboxLine(bytes: Buffer): number {
  const end = endOfLine(bytes, 0);
  const line = bytes.toString("latin1", 0, end);
  if (!MAILBOX_LINE.test(line) || FIELD.test(line)) return 0;
  return FIELD.test(bytes.toString("latin1", end, endOfLine(bytes, end))) ? end : 0;
}

/** The message as it goes out. */
export function formatMessage({ fields, body }: Message): Buffer {
  return Buffer.concat([...fields.map(({ raw }) => raw), Buffer.from(CRLF), body]);
}

/** A field from ASCII text; long values are given folded. */
export function makeField(name: string, value: string): Field {
  return { name: name.toLowerCase(), raw: Buffer.from(`${name}: ${value}${CRLF}`) };
}

/** RFC 5322 section 2.1.1 */
const WIDTH = 78;

/** A field's text broken at its spaces where a line grows too long, with its line end. Breaks that it has stay. */
export function foldField(text: string): string {
  const fold = (line: string): string => {
    let width = 0;
    return line.replace(/(^ *|(?<!^) )([^ ]+)/g, (piece, _space: string, word: string, at: number) => {
      const folds = at > 0 && width + piece.length > WIDTH;
      width = folds ? word.length + 1 : width + piece.length;
      return folds ? `${CRLF}\t${word}` : piece;
    });
  };
  return `${text
    .split(/\r?\n|\r/)
    .map(fold)
    .join(CRLF)}${CRLF}`;
}

/** The unfolded value. */
export function fieldValue(field: Field): string {
  const text = field.raw.toString("utf8");
  return text
    .slice(text.indexOf(":") + 1)
    .replace(/\r\n/g, "")
    .trim();
}

function withLineBreak(raw: Buffer): Buffer {
  return raw.subarray(-2).toString("latin1") === CRLF ? raw : Buffer.concat([raw, Buffer.from(CRLF)]);
}
