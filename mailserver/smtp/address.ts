/** Mailboxes and paths, RFC 5321 section 4.1.2 with RFC 6531. */
import type { Address } from "./types.ts";

/**
 * Reads `local@domain` without brackets, as settings, LDAP or a person write it. `utf8` allows non-ASCII.
 * Undefined when it is no mailbox.
 */
export function parseAddress(_text: string, _options?: { readonly utf8?: boolean }): Address | undefined {
  throw new Error("not yet");
}
