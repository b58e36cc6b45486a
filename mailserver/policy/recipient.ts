/** The shape in which a recipient look-up is answered, whatever stands behind it. */

/** What the directory knows of an address. */
export type RecipientAnswer =
  | {
      readonly kind: "box";
      /** Whose box it is. */
      readonly uid: string;
      /** Where the box speaks LMTP, from `mailHost`. */
      readonly host: string;
      /** `mailRoutingAddress`: where every message goes as well. */
      readonly forward?: string;
    }
  | { readonly kind: "absent" };

/**
 * Looks up one full address `local@domain`, lower case, as the person would write it (not quoted). Only exact
 * look-up: the policy strips `+tag` itself. Throws `DirectoryUnavailable` when the answer can't be known; absent
 * is never guessed.
 */
export type ResolveRecipient = (address: string) => Promise<RecipientAnswer>;

/** The directory could not be asked: answered 451 4.4.3, never 550 (RFC 5321 section 4.2.1). */
export class DirectoryUnavailable extends Error {
  override readonly name = "DirectoryUnavailable";
}
