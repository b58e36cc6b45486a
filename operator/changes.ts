/** Which of a stack's resources are a person's own, and which step of their request each is. Pure. */
import type { StepName } from "../mailserver/operator/protocol.ts";
import { parseMailboxId } from "../stacks/mailbox-id.ts";

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
/** Components of a person: the one with their entry and box, and one with mail that is kept. */
const HOLDERS = ["person-", "kept-"];
/**
 * Changed by every change of the config: the stack with its outputs, and the provider of dynamic resources, which is
 * handed all of the config and makes nothing itself.
 */
const FOLLOW = new Set(["pulumi:pulumi:Stack", "pulumi:providers:pulumi-nodejs"]);

/** The name that the program gave the resource. */
export const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";

/** The step that a resource of the person is; undefined for any other, and for the component that holds them. */
export function stepOf(uid: string, { urn, type }: Pick<Change, "urn" | "type">): StepName | undefined {
  const name = nameOf(urn);
  const found = Object.entries(PARTS).find(
    ([suffix, part]) =>
      type === part.type && name.endsWith(suffix) && isOf(uid, name.slice(0, -suffix.length), ["person-"]),
  );
  return found?.[1].step;
}

/** Whether it is named by one of the mailboxes of that uid. */
const isOf = (uid: string, name: string, holders: readonly string[]): boolean =>
  holders.some((start) => name.startsWith(start) && parseMailboxId(name.slice(start.length)).uid === uid);

/** The changes that are none of the person's business. */
export function strangers(uid: string, changes: readonly Change[]): Change[] {
  return changes.filter(
    (change) =>
      !UNTOUCHED.has(change.op) &&
      !(FOLLOW.has(change.type) && change.op === "update") &&
      !(change.type === PERSON && isOf(uid, nameOf(change.urn), HOLDERS)) &&
      stepOf(uid, change) === undefined,
  );
}
