/** Fields of a message that only we may have written. Pure. */
import { isIPv6 } from "node:net";
import type { MailParameters, SessionInfo } from "../smtp/types.ts";
import { withoutComments } from "./comments.ts";
import { type Field, fieldValue, makeField } from "./header.ts";

/** Marks a message for the box's Junk folder; what others wrote under this name never passes. */
const JUNK = "X-Semail-Junk";

export function junkField(): Field {
  return makeField(JUNK, "yes");
}

/** Without fields that speak in our name, which is any of these: RFC 8601 section 5. */
export function withoutForged(fields: readonly Field[], names: readonly string[]): Field[] {
  const own = new Set(names.map((name) => name.toLowerCase()));
  return fields.filter((field) => {
    if (field.name === JUNK.toLowerCase()) return false;
    return field.name !== "authentication-results" || !own.has(authservId(field));
  });
}

/** RFC 5321 section 4.1.3 */
export function addressLiteral(address: string): string {
  return isIPv6(address) ? `[IPv6:${address}]` : `[${address}]`;
}

/** What a Received field says after `with`: RFC 3848, RFC 6531 section 4.3. */
export function transmission(
  { protocol }: Pick<SessionInfo, "protocol">,
  { smtputf8 }: Pick<MailParameters, "smtputf8">,
): string {
  return smtputf8 === true ? protocol.replace("ESMTP", "UTF8SMTP") : protocol;
}

/** RFC 8601 section 2.2: the first word, with comments before it and perhaps in quotes. */
export function authservId(field: Field): string {
  const text = withoutComments(fieldValue(field)).plain.trim();
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
  return (quoted ?? /^[^\s;]*/.exec(text)?.[0] ?? "").toLowerCase().replace(/\.$/, "");
}

/** RFC 8601 section 2.2: a method's name and its result, both in lower case. */
export interface MethodResult {
  readonly method: string;
  readonly result: string;
}

/** Of an Authentication-Results field: each resinfo behind the authserv-id. What stands in quotes or a comment is none. */
export function methodResults(field: Field): MethodResult[] {
  const { plain } = withoutComments(fieldValue(field));
  const [, ...results] = plain.replace(/"(?:[^"\\]|\\.)*(?:"|\\?$)/gs, '""').split(";");
  return results.flatMap((text) => {
    const [, method, result] = /^\s*([\w-]+)\s*(?:\/\s*\d+\s*)?=\s*([\w-]+)/.exec(text) ?? [];
    if (method === undefined || result === undefined) return [];
    return [{ method: method.toLowerCase(), result: result.toLowerCase() }];
  });
}
