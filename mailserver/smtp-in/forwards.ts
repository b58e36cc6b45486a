/** Which people's copies are sent on to their forward addresses. Their own copy stays in any case. */
import type { Log } from "../net/log.ts";
import type { Parcel } from "./spool.ts";

export interface ForwardFacts {
  /** Of the message, for the log. */
  readonly id: string;
  /** Its author may be taken for one of ours, and is not proven to be. */
  readonly inOurName: boolean;
}

/** The parcels without the forwards that are left out. */
export function withoutForwards(
  parcels: readonly Parcel[],
  { id, inOurName }: ForwardFacts,
  log: Log,
): Parcel[] {
  return parcels.map((parcel) => {
    if (parcel.box.forward === undefined || !inOurName) return parcel;
    const { forward: _, ...box } = parcel.box;
    log.info("forward.withheld", { message: id, box: box.uid, reason: "author" });
    return { ...parcel, box };
  });
}
