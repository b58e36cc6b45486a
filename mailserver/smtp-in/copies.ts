/** The copies of one message on their way into the boxes: which have begun, and what came of them. */
import type { Result } from "../courier/types.ts";
import type { Parcel } from "./spool.ts";

/** Boxes that one message is delivered to at the same time. */
const AT_ONCE = 10;

/** What is known of a copy. Without a delivery it has not begun, and without a result it has not ended. */
export interface Copy {
  readonly delivery?: Promise<Result>;
  readonly result?: Result;
}

export class Copies {
  readonly #parcels: readonly Parcel[];
  readonly #deliver: (parcel: Parcel) => Promise<Result>;
  readonly #known = new Map<Parcel, Copy>();
  #stopped = false;

  constructor(parcels: readonly Parcel[], deliver: (parcel: Parcel) => Promise<Result>) {
    this.#parcels = parcels;
    this.#deliver = deliver;
  }

  /** Delivers one. */
  readonly begin = async (parcel: Parcel): Promise<Result> => {
    const delivery = this.#deliver(parcel);
    this.#known.set(parcel, { delivery });
    const result = await delivery;
    this.#known.set(parcel, { delivery, result });
    return result;
  };

  /** Delivers all, unless stopped. */
  async beginAll(): Promise<void> {
    const left = this.#parcels.values();
    // Each worker takes the next one from the same iterator.
    const work = async (): Promise<void> => {
      for (const parcel of left) {
        if (this.#stopped) return;
        await this.begin(parcel);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /** Begins no more. What is known of each is given in the order of the parcels. */
  stop(): Copy[] {
    this.#stopped = true;
    return this.#parcels.map((parcel) => this.#known.get(parcel) ?? {});
  }
}
