/** Fields of a message that only we may have written. Pure. */
import { type Field, fieldValue, makeField } from "./header.ts";

/** Marks a message for the box's Junk folder; what others wrote under this name never passes. */
const JUNK = "X-Semail-Junk";

export function junkField(): Field {
  return makeField(JUNK, "yes");
}

/** Without fields that speak in our name: RFC 8601 section 5. */
export function withoutForged(fields: readonly Field[], hostname: string): Field[] {
  return fields.filter((field) => {
    if (field.name === JUNK.toLowerCase()) return false;
    return field.name !== "authentication-results" || authservId(field) !== hostname.toLowerCase();
  });
}

/** RFC 8601 section 2.2: the first word, with comments before it and perhaps in quotes. */
export function authservId(field: Field): string {
  const text = withoutComments(fieldValue(field)).trim();
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
  return (quoted ?? /^[^\s;]*/.exec(text)?.[0] ?? "").toLowerCase().replace(/\.$/, "");
}

/** The next piece outside comments: a quoted string, a pair, a parenthesis, or what stands between. */
const OUTSIDE = /^(?:"(?:[^"\\]|\\.)*"|\\.|[()]|[^"\\()]+|.)/s;
/** The same inside a comment, where a quote is nothing special. */
const INSIDE = /^(?:\\.|[()]|[^\\()]+|.)/s;

/** RFC 5322 section 3.2.2: comments nest, and quotes hide them; within a comment a quote is nothing. */
function withoutComments(text: string): string {
  let depth = 0;
  let out = "";
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const piece = (depth > 0 ? INSIDE : OUTSIDE).exec(rest)?.[0] ?? rest;
    at += piece.length;
    if (piece === "(") depth += 1;
    else if (piece === ")" && depth > 0) depth -= 1;
    else if (depth === 0) out += piece;
  }
  return out;
}
