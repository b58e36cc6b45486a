/** The people's entries as slapcat writes them (RFC 2849), and whose password is put back. Pure. */

/** What is wanted of a saved entry. */
export interface Entry {
  readonly uid: string;
  readonly name: string;
  /** `{ARGON2}…`. */
  readonly hash: string;
}

/** Somebody in the directory as it is. */
export interface Person {
  readonly dn: string;
  readonly uid: string;
  readonly name: string;
  /** Whether the password was replaced since the entry was made. */
  readonly changed: boolean;
}

/** The entries that have a password. */
export function parseLdif(text: string): Entry[] {
  // RFC 2849 note 2: a line that begins with a space goes on with the one before.
  const entries = text.replaceAll(/\r?\n /g, "").split(/\r?\n(?:\r?\n)+/);
  return entries.flatMap((entry) => {
    const values = new Map(entry.split(/\r?\n/).flatMap(attribute));
    const [uid, name, hash] = ["uid", "cn", "userpassword"].map((key) => values.get(key));
    return uid && name && hash ? [{ uid, name, hash }] : [];
  });
}

/** When the entry at the top of the tree was made; undefined when that can't be told. */
export function madeAt(text: string): Date | undefined {
  const [, time] = /^createTimestamp: (\S+)$/m.exec(text) ?? [];
  // GeneralizedTime (RFC 4517 section 3.3.13) as slapd writes it: `20260131102030Z`.
  const iso = time?.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/, "$1-$2-$3T$4:$5:$6Z");
  const made = new Date(iso ?? "");
  return Number.isNaN(made.getTime()) ? undefined : made;
}

/** `name: value`, or `name:: value` in base64. */
function attribute(line: string): [string, string][] {
  const [, name, encoded, value] = /^([A-Za-z][\w;.-]*):(:?) ?(.*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) return [];
  return [[name.toLowerCase(), encoded ? Buffer.from(value, "base64").toString() : value]];
}

/**
 * Whose password is put back: who has the uid and the name of the snapshot, and still the password that the entry was made
 * with. Somebody else who got the uid since is not given another's password. `others`: the uids that are left alone;
 * `changed`: of those who have one of their own since.
 */
export function toPutBack(
  saved: readonly Entry[],
  people: readonly Person[],
): { put: { dn: string; hash: string }[]; others: string[]; changed: string[] } {
  const known = new Map(saved.map((entry) => [entry.uid, entry]));
  const put: { dn: string; hash: string }[] = [];
  const others: string[] = [];
  const kept: string[] = [];
  for (const { dn, uid, name, changed } of people) {
    const entry = known.get(uid);
    if (entry?.name !== name) others.push(uid);
    else if (changed) kept.push(uid);
    else put.push({ dn, hash: entry.hash });
  }
  return { put, others, changed: kept };
}
