/** What a new password must be. Length counts, kinds of characters don't (NIST SP 800-63B section 3.1.1.2). Pure. */

export type PasswordFault = "short" | "long" | "repeats" | "personal" | "same" | "differs";

const SHORTEST = 12;
const LONGEST = 128;
const DISTINCT = 5;

/** Why a password can't be taken; undefined when it can. */
export function passwordFault(wanted: {
  readonly uid: string;
  readonly current: string;
  readonly next: string;
  readonly again: string;
}): PasswordFault | undefined {
  const { uid, current, next, again } = wanted;
  const characters = [...next];
  if (next !== again) return "differs";
  if (characters.length < SHORTEST) return "short";
  if (characters.length > LONGEST) return "long";
  if (next === current) return "same";
  if (new Set(characters).size < DISTINCT) return "repeats";
  // Someone's name with digits behind it is what is tried first.
  if (next.toLowerCase().replaceAll(/[^\p{L}]/gu, "") === uid.replaceAll(/[^a-z]/g, "")) return "personal";
  return undefined;
}
