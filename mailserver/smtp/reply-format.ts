/** Replies on the wire: written by servers, read by clients. RFC 5321 section 4.2, RFC 2034. */
import type { Reply } from "./types.ts";

/** RFC 5321 section 4.5.3.1.5: 512 octets with code and CRLF. */
const LINE_MAX = 512;

/** Only printable ASCII leaves us: texts may quote what a peer said. */
function printable(text: string): string {
  return text.replace(/[^ -~]/gu, "?");
}

/** The reply as lines with CRLF; the enhanced code is on each (RFC 2034 section 4). */
export function formatReply(reply: Reply): string {
  const prefix = reply.enhanced === undefined ? "" : `${reply.enhanced} `;
  const last = reply.lines.length - 1;
  return reply.lines
    .map((line, index) => {
      const text = `${reply.code}${index === last ? " " : "-"}${prefix}${printable(line)}`;
      return `${text.slice(0, LINE_MAX - 2)}\r\n`;
    })
    .join("");
}

/** More than any honest reply has. */
const REPLY_BYTES_MAX = 65_536;

/** What a peer sent is no SMTP reply. */
export class BadReply extends Error {
  override readonly name = "BadReply";
}

/** Takes the bytes of a peer in any portions and gives whole replies. */
export class ReplyParser {
  #rest = "";
  #lines: string[] = [];
  #bytes = 0;

  /** The replies that are complete now, each before what follows it is looked at. Throws BadReply. */
  *read(chunk: Uint8Array): Generator<Reply, void> {
    const text = Buffer.from(chunk).toString("latin1");
    // A line that comes byte by byte is put together once, at its end.
    if (!text.includes("\n")) {
      this.#rest += text;
      return this.#count(0, this.#rest.length);
    }
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    for (const part of parts) {
      this.#count(part.length + 1);
      const reply = this.#line(withoutReturns(part));
      if (reply) yield reply;
    }
    this.#count(0, this.#rest.length);
  }

  /** All replies that are complete now. Throws BadReply. */
  push(chunk: Uint8Array): Reply[] {
    return [...this.read(chunk)];
  }

  /** Lines of a reply, and what came of the next one. */
  #count(bytes: number, rest = 0): void {
    this.#bytes += bytes;
    if (this.#bytes + rest > REPLY_BYTES_MAX) throw new BadReply("the reply is too long");
  }

  #line(line: string): Reply | undefined {
    const match = /^([2-5][0-9]{2})(?:([ -])(.*))?$/s.exec(line);
    if (!match) throw new BadReply("not a reply line");
    // One within the text ends nothing, and must end nothing in a log or a bounce that quotes it.
    this.#lines.push((match[3] ?? "").replaceAll("\r", " "));
    if (match[2] === "-") return undefined;
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    return toReply(Number(match[1]), lines);
  }
}

/**
 * RFC 5321 section 2.3.8 has one CR before the LF. Some hosts write several; who took none but one would bring a message
 * again that such a host has taken. By index: a regular expression takes the square of the time for a line of them.
 */
function withoutReturns(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1;
  return line.slice(0, end);
}

function toReply(code: number, lines: readonly string[]): Reply {
  const enhanced = new RegExp(`^(${Math.trunc(code / 100)}\\.[0-9]{1,3}\\.[0-9]{1,3})(?: |$)`);
  const status = enhanced.exec(lines.at(-1) ?? "")?.[1];
  if (status === undefined) return { code, lines };
  return { code, enhanced: status, lines: lines.map((line) => line.replace(enhanced, "")) };
}
