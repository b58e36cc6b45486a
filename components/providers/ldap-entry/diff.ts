/** The pure part of LdapEntry: what differs, and the smallest modify that puts it right. */
import { z } from "zod";
import { changedKeys, UNKNOWN } from "../validate.ts";
import { isDn, normaliseDn, rdnAttribute } from "./dn.ts";

/** Values by attribute name. An empty list says that the entry must not have the attribute. */
export type Attributes = Readonly<Record<string, readonly string[]>>;

const AttributesInput = z.record(
  z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/, "must be an LDAP attribute name"),
  z.array(z.string().min(1, "an LDAP value can't be empty")),
);

/** The inputs' shape. */
export const shape = {
  connection: z.strictObject({
    url: z.url({ protocol: /^ldaps?$/, error: "must be ldap://host:port" }),
    bindDn: z.string().min(1),
    password: z.string().min(1),
  }),
  dn: z.string().refine(isDn, "must be a distinguished name, such as uid=alice,ou=people,dc=example,dc=org"),
  attributes: AttributesInput.refine(
    (attributes) => !Object.keys(attributes).some((name) => name.toLowerCase() === "userpassword"),
    "userPassword goes into `password`, which is kept out of diffs",
  ),
  password: z.string().min(1).optional(),
  /** Attributes whose values the other entries beside this one give up to it. */
  exclusive: z.array(z.string().min(1)).default([]),
  managePassword: z.boolean().default(false),
  /** Whose entry it is: another one's is made anew under the same DN. */
  holder: z.string().min(1).optional(),
  adopt: z.boolean().default(false),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.infer<typeof Inputs>;

/** Says what an update from `olds` to `news` would do. The connection alone never touches the entry. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const moved = normaliseDn(String(olds.dn)) !== normaliseDn(String(news.dn));
  const another = changedKeys(["holder"], olds, news);
  const updates = changedKeys(["connection", "exclusive", "managePassword"], olds, news);
  if (!sameAttributes(olds.attributes, news.attributes)) updates.push("attributes");
  // A password that the person has changed since is never put back.
  if (news.managePassword === true) updates.push(...changedKeys(["password"], olds, news));
  return {
    changes: moved || another.length > 0 || updates.length > 0,
    replaces: [...(moved ? ["dn"] : []), ...another],
    // Made beside it, the new one would take the old entry over, with its password.
    deleteBeforeReplace: another.length > 0,
  };
}

function sameAttributes(olds: unknown, news: unknown): boolean {
  if (news === UNKNOWN || JSON.stringify(news ?? {}).includes(UNKNOWN)) return false;
  const [before, after] = [AttributesInput.safeParse(olds ?? {}), AttributesInput.safeParse(news)];
  return before.success && after.success && modifications("", before.data, after.data).length === 0;
}

/** One change of an LDAP modify request (RFC 4511 section 4.6). */
export interface Modification {
  readonly operation: "add" | "delete" | "replace";
  readonly type: string;
  readonly values: readonly string[];
}

/**
 * The changes that lead from `actual` to `wanted`, and no more. Attributes that only `actual` has are deleted;
 * the one that names the entry is left alone.
 */
export function modifications(dn: string, actual: Attributes, wanted: Attributes): Modification[] {
  const before = byName(actual);
  const after = byName(wanted);
  const names = new Set([...before.keys(), ...after.keys()]);
  names.delete(rdnAttribute(dn));
  return [...names].flatMap((key) => {
    const type = after.get(key)?.name ?? before.get(key)?.name ?? key;
    return changesOf(type, before.get(key)?.values ?? [], after.get(key)?.values ?? []);
  });
}

function changesOf(type: string, before: readonly string[], after: readonly string[]): Modification[] {
  const added = after.filter((value) => !before.includes(value));
  const gone = before.filter((value) => !after.includes(value));
  if (added.length === 0 && gone.length === 0) return [];
  // A single-valued attribute can't hold old and new at once, and deleting the last value first may break the schema.
  if (before.length === 1 && after.length === 1) return [{ operation: "replace", type, values: after }];
  return [
    ...(added.length > 0 ? [{ operation: "add", type, values: added } as const] : []),
    ...(gone.length > 0 ? [{ operation: "delete", type, values: gone } as const] : []),
  ];
}

/** Attribute names are case-insensitive (RFC 4512 section 2.5). */
function byName(attributes: Attributes): Map<string, { name: string; values: readonly string[] }> {
  return new Map(Object.entries(attributes).map(([name, values]) => [name.toLowerCase(), { name, values }]));
}

/** Of what the server returned, the attributes that this resource manages, under the names it gave them. */
export function managed(attributes: Attributes, entry: Attributes): Attributes {
  const found = byName(entry);
  return Object.fromEntries(
    Object.keys(attributes).map((name) => [name, found.get(name.toLowerCase())?.values ?? []]),
  );
}
