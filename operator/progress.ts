/** How far a request is. */
import type { StepName, StepState } from "../mailserver/operator/protocol.ts";
import { stepOf } from "./changes.ts";
import type { Entry } from "./journal.ts";
import type { Progress } from "./updates.ts";

/** Sets a step's state; false when it has it already, or when the request has no such step. */
export function mark(entry: Entry, name: StepName, state: StepState): boolean {
  const step = entry.view.steps.find((one) => one.name === name);
  if (!step || step.state === state) return false;
  step.state = state;
  return true;
}

/** Follows what happens to the person's resources. */
export function markResource(entry: Entry, progress: Progress): boolean {
  const step = stepOf(entry.view.uid, progress);
  return step !== undefined && mark(entry, step, progress.state);
}

/** The step at which it stopped has failed. */
export function markFailure(entry: Entry): void {
  for (const step of entry.view.steps) if (step.state === "running") step.state = "failed";
}
