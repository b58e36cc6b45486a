/** Which of a stack's resources are a person's own, and which step of their request each is. Pure. */
import type { StepName } from "../mailserver/operator/protocol.ts";
import { laterMailboxIds, parseMailboxId } from "../stacks/mailbox-id.ts";

/** What an update does, or would do, to a resource. */
export interface Change {
  readonly urn: string;
  readonly type: string;
  readonly op: string;
}

/** Ops that leave a resource as it is. */
const UNTOUCHED = new Set(["same", "read", "refresh"]);

const PARTS: Readonly<Record<string, { type: string; step: StepName }>> = {
  "-entry": { type: "pulumi-nodejs:dynamic/semail:LdapEntry", step: "entry" },
  "-mail": { type: "docker:index/volume:Volume", step: "volume" },
  "-box": { type: "docker:index/container:Container", step: "container" },
};
const PERSON = "semail:index:Mailbox";

/** The name that the program gave the resource. */
export const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";

/** The step that a resource of the person is; undefined for any other, and for the component that holds them. */
export function stepOf(uid: string, { urn, type }: Pick<Change, "urn" | "type">): StepName | undefined {
  const name = nameOf(urn);
  const found = Object.entries(PARTS).find(
    ([suffix, part]) =>
      type === part.type && name.endsWith(suffix) && isOf(uid, name.slice(0, -suffix.length)),
  );
  return found?.[1].step;
}

/** Whether it is named by one of the mailboxes of that uid. */
const isOf = (uid: string, name: string): boolean =>
  name.startsWith("person-") && parseMailboxId(name.slice("person-".length)).uid === uid;

/**
 * By which Pulumi knows all that may be a person's own, now or after the update: their entry and box, the volume of each
 * mailbox that they have or had, and the components that hold these. `*` stands for anything but a colon. (A pattern that
 * fits nothing is no error to Pulumi, as a name would be.)
 */
export function targetsOf(uid: string): string[] {
  const ids = [uid, laterMailboxIds(uid)];
  const parts = Object.entries(PARTS).flatMap(([suffix, { type }]) =>
    (suffix === "-mail" ? ids : [uid]).map((id) => `${PERSON}$${type}::person-${id}${suffix}`),
  );
  const holders = [`person-${uid}`, ...ids.map((id) => `kept-${id}`)].map((name) => `${PERSON}::${name}`);
  return [...holders, ...parts].map((end) => `urn:pulumi:*::*::${end}`);
}

/** Whether the change is one, and the person's own. */
export function changesTheirs(uid: string, change: Change): boolean {
  return !UNTOUCHED.has(change.op) && stepOf(uid, change) !== undefined;
}
