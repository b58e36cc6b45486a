/** What every kind of resource offers to the server. */
import type Docker from "dockerode";
import type { Failure } from "./check.ts";
import type { ResourceLog } from "./logs.ts";
import type { Schema } from "./schema.ts";
import type { Props } from "./values.ts";

/** What an operation on a resource works with. */
export interface Context {
  readonly urn: string;
  readonly docker: Docker;
  readonly log: ResourceLog;
  /** Fires when the update is cancelled or the resource's time is up. */
  readonly signal: AbortSignal;
}

/** A resource as it is now. */
export interface State {
  readonly id: string;
  readonly inputs: Props;
  readonly outputs: Props;
}

/** A kind of resource. */
export interface Resource {
  readonly schema: Schema;
  /** `container "x"`, for messages. */
  describe(inputs: Props): string;
  /** Validates beyond the schema, and adds what only files can tell; without asking the engine. */
  check?(inputs: Props): Promise<{ inputs: Props; failures: Failure[] }>;
  create(context: Context, inputs: Props): Promise<{ id: string; outputs: Props }>;
  /** The present state, or undefined if the resource is gone. Without inputs it is an import. */
  read(context: Context, state: State): Promise<State | undefined>;
  update(context: Context, state: State, inputs: Props): Promise<Props>;
  delete(context: Context, state: State): Promise<void>;
}

/** The label that says which resource a container, network or volume belongs to. */
export const URN_LABEL = "io.semail.urn";
/** The label that says from what an image was built. */
export const CONTEXT_LABEL = "io.semail.context";

/** Labels as the engine takes them. */
export function labelMap(
  labels: readonly { label: string; value: string }[] | undefined,
): Record<string, string> {
  return Object.fromEntries((labels ?? []).map(({ label, value }) => [label, value]));
}

/** Labels as programs write them, without the plugin's own. */
export function labelList(labels: Record<string, string> | undefined): { label: string; value: string }[] {
  return Object.entries(labels ?? {})
    .filter(([label]) => label !== URN_LABEL)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => ({ label, value }));
}
