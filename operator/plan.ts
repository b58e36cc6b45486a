/** What a request makes of the stack file, the whole of which is checked before anything is touched. Pure. */
import type { PersonRequest } from "../mailserver/operator/protocol.ts";
import type { StackConfig } from "../stacks/schema.ts";
import { decide, type Facts, requireOnlyTheirs } from "./decide.ts";
import { Refusal } from "./refusal.ts";
import { applyChange, type EntryChange, planChange, readConfig } from "./stack-file.ts";

/** The stack file as it is. */
export interface StackText {
  readonly name: string;
  readonly project: string;
  readonly text: string;
}

/** Whether the request could be done now; throws the Refusal that doing it would end with. */
export function rehearse(facts: Facts, request: PersonRequest, file: StackText): void {
  const edit = decide(facts, request);
  if (request.kind !== "restart") withChange(facts.config, planChange(file.text, request.uid, edit), file);
}

/** The file with the change; throws a Refusal where it would be no config then, or be another one for others. */
export function withChange(config: StackConfig, change: EntryChange, file: StackText): string {
  const text = applyChange(file.text, change);
  requireOnlyTheirs(change.uid, config, configAfter({ ...file, text }));
  return text;
}

/** The file was right before: what is wrong now, such as a postmaster without a mailbox, is not for the person to mend. */
function configAfter(file: StackText): StackConfig {
  try {
    return readConfig(file);
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    throw new Refusal("needs-administrator", cause.fault.detail, { cause });
  }
}
