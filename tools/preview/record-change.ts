/** What happens to a DNS record. Pure. */
import type { Item } from "./report.ts";
import type { Step } from "./schema.ts";

type Inputs = NonNullable<Step["newState"]>["inputs"];

const label = ({ zone = "?", name = "?", type = "?" }: Inputs): string =>
  `${name === "@" ? zone : `${name}.${zone}`} ${type}`;

/** What Pulumi's SDK puts for a text that only the update will tell, as a key that is yet to be made. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const LATER = "known after the update";

const text = ({ values }: Inputs): string =>
  values?.map((value) => (value === UNKNOWN ? LATER : value)).join(" · ") ?? LATER;

/** One item; none where nothing changes that others see, as a new token for the API. */
export function recordChange({ op, oldState, newState }: Step): Item[] {
  const before = oldState?.inputs;
  const after = newState?.inputs;
  if (before === undefined || after === undefined) {
    const inputs = after ?? before ?? {};
    return [{ verb: op === "delete" ? "removed" : "added", name: label(inputs), details: [text(inputs)] }];
  }
  const details = [
    ...(text(before) === text(after) ? [] : [`${text(before)} → ${text(after)}`]),
    ...(before.ttl === after.ttl ? [] : [`TTL ${before.ttl} → ${after.ttl}`]),
  ];
  if (details.length === 0) return [];
  return [{ verb: op === "replace" ? "replaced" : "changed", name: label(after), details }];
}
