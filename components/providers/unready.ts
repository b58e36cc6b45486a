/** What Pulumi is told of a resource that is there but not as it is to be. */
import type { Props } from "./shim.ts";

/**
 * Thrown by a create: Pulumi keeps `id` and `properties` in the state, so that the resource is known to who takes the
 * stack down, and the next update goes on with it. `inputs`: as the create got them, with the provider's own.
 */
export class Unready extends Error {
  override readonly name = "Unready";
  readonly id: string;
  readonly properties: Props;
  readonly reasons: readonly string[];

  constructor(cause: unknown, id: string, { properties, inputs }: { properties: Props; inputs: Props }) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.id = id;
    // Pulumi adds it to what a create returns, and not to this; without it nobody could update or delete the resource.
    this.properties = { ...properties, __provider: inputs.__provider };
    this.reasons = [this.message];
  }
}
