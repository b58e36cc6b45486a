/** A record as a zone of example.org holds it. */
import type { HeldRecord } from "../../../stacks/dns/held.ts";

export const record = (name: string, type: string, values: string[], ttl = 300): HeldRecord => ({
  ...{ zone: "example.org", name, type, ttl, values },
});
