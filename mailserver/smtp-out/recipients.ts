/** The recipients of a message that is being submitted, each place once, and for whom it goes there. Pure. */
import type { NewRecipient } from "../queue/item.ts";

export interface Named extends Pick<NewRecipient, "address" | "destination"> {
  /** What the sender wrote instead of `address`, when that is where mail for it is forwarded to. */
  readonly original?: string;
}

export class Recipients {
  readonly #byPlace = new Map<string, NewRecipient>();

  /** `place`: the same for whatever is the same mailbox. */
  add(place: string, { address, destination, original }: Named): void {
    const known = this.#byPlace.get(place);
    if (known === undefined) {
      const originals = original === undefined ? {} : { originals: [original] };
      this.#byPlace.set(place, { address, destination, ...originals });
      return;
    }
    // Who wrote the place itself as well hears of it by its own name.
    const names = new Set([...(known.originals ?? [known.address]), original ?? known.address]);
    if (known.originals !== undefined || names.size > 1) {
      this.#byPlace.set(place, { ...known, originals: [...names] });
    }
  }

  all(): NewRecipient[] {
    return [...this.#byPlace.values()];
  }
}
