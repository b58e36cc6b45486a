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
  #fault: unknown;

  /** The replies that are complete now. Throws BadReply, but not for what comes behind whole replies: with the next push. */
  push(chunk: Uint8Array): Reply[] {
    if (this.#fault !== undefined) throw this.#fault;
    const parts = (this.#rest + Buffer.from(chunk).toString("latin1")).split("\n");
    this.#rest = parts.pop() ?? "";
    this.#bytes += chunk.length;
    const replies: Reply[] = [];
    try {
      for (const part of parts) {
        const reply = this.#line(part.replace(/\r$/, ""));
        if (reply) replies.push(reply);
      }
      if (this.#bytes > REPLY_BYTES_MAX) throw new BadReply("the reply is too long");
    } catch (error) {
      // A "250" to a message counts, whatever nonsense follows: forgetting it would deliver twice.
      if (replies.length === 0) throw error;
      this.#fault = error;
    }
    return replies;
  }

  #line(line: string): Reply | undefined {
    const match = /^([2-5][0-9]{2})(?:([ -])(.*))?$/.exec(line);
    if (!match) throw new BadReply("not a reply line");
    this.#lines.push(match[3] ?? "");
    if (match[2] === "-") return undefined;
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = this.#rest.length;
    return toReply(Number(match[1]), lines);
  }
}

function toReply(code: number, lines: readonly string[]): Reply {
  const enhanced = new RegExp(`^(${Math.trunc(code / 100)}\\.[0-9]{1,3}\\.[0-9]{1,3})(?: |$)`);
  const status = enhanced.exec(lines.at(-1) ?? "")?.[1];
  if (status === undefined) return { code, lines };
  return { code, enhanced: status, lines: lines.map((line) => line.replace(enhanced, "")) };
}
