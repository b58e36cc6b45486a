/** Which changes of a stack are a person's own, and which step of their request each is. Pure. */
import type { StepName } from "../mailserver/operator/protocol.ts";
import { namedBy, type Part, partOf } from "../stacks/mailbox-resources.ts";

/** What an update does to a resource. */
export interface Change {
  readonly urn: string;
  readonly op: string;
}

/** Ops that leave a resource as it is. */
const UNTOUCHED = new Set(["same", "read", "refresh"]);

/** The limit of the volume's disk is no step that anybody would tell from the volume. */
const STEPS: Readonly<Record<Part, StepName>> = {
  ...{ entry: "entry", mail: "volume", disk: "volume", box: "container" },
};

/** The step that a resource of the person is; undefined for any other, and for the component that holds them. */
export function stepOf(uid: string, { urn }: Pick<Change, "urn">): StepName | undefined {
  const part = partOf(uid, namedBy(urn));
  return part && STEPS[part];
}

/** Whether the change is one, and the person's own. */
export function changesTheirs(uid: string, change: Change): boolean {
  return !UNTOUCHED.has(change.op) && stepOf(uid, change) !== undefined;
}
