/** Which of a stack's resources are one person's own, by type and name. Pure. */
import { laterMailboxIds, parseMailboxId } from "./mailbox-id.ts";

/** A resource by what its URN ends with. */
export interface Named {
  readonly type: string;
  readonly name: string;
}

export type Part = "entry" | "mail" | "disk" | "box";

/** What a person's component holds, by the end of its name. */
const TYPES: Readonly<Record<Part, string>> = {
  entry: "pulumi-nodejs:dynamic/semail:LdapEntry",
  mail: "docker:index/volume:Volume",
  disk: "pulumi-nodejs:dynamic/semail:DiskLimit",
  box: "docker:index/container:Container",
};
const HOLDER = "semail:index:Mailbox";

const DISCARDED = "pulumi-nodejs:dynamic/semail:DiscardedVolume";

/** Whether it is some person's: these come and go. */
export function isSomebodys({ type, name }: Named): boolean {
  const own = type === HOLDER || type === DISCARDED || Object.values(TYPES).includes(type);
  return own && /^(person|kept|discarded)-/.test(name);
}

/** Type and name of a URN: `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`. */
export function namedBy(urn: string): Named {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

const isOf = (uid: string, name: string): boolean =>
  name.startsWith("person-") && parseMailboxId(name.slice("person-".length)).uid === uid;

/** The person's part that a resource is; undefined for any other, and for the component that holds them. */
export function partOf(uid: string, { type, name }: Named): Part | undefined {
  return (Object.keys(TYPES) as Part[]).find((part) => {
    const suffix = `-${part}`;
    const held = name.slice(0, -suffix.length);
    return type === TYPES[part] && name.endsWith(suffix) && isOf(uid, held);
  });
}

/**
 * By which Pulumi knows all that may be a person's own, now or after the update: their entry, box and limit, the volume of each
 * mailbox that they have or had, and the components that hold these. `*` stands for anything but a colon. (A pattern that
 * fits nothing is no error to Pulumi, as a name would be.)
 */
export function targetsOf(uid: string): string[] {
  const ids = [uid, laterMailboxIds(uid)];
  const parts = (Object.keys(TYPES) as Part[]).flatMap((part) =>
    (part === "mail" ? ids : [uid]).map((id) => `${HOLDER}$${TYPES[part]}::person-${id}-${part}`),
  );
  const holders = [`person-${uid}`, ...ids.map((id) => `kept-${id}`)].map((name) => `${HOLDER}::${name}`);
  return [...holders, ...parts].map((end) => `urn:pulumi:*::*::${end}`);
}
