/** The recipients of a message that is being submitted, each place once, and for whom it goes there. Pure. */
import { eitherWish } from "../policy/notify.ts";
import type { NewRecipient } from "../queue/item.ts";

export interface Named extends Pick<NewRecipient, "address" | "destination" | "notify" | "orcpt"> {
  /** What the sender wrote instead of `address`, when that is where mail for it is forwarded to. */
  readonly original?: string;
}

export class Recipients {
  readonly #byPlace = new Map<string, NewRecipient>();

  /** `place`: the same for whatever is the same mailbox. */
  add(place: string, { original, ...recipient }: Named): void {
    const before = this.#byPlace.get(place);
    if (before === undefined) {
      this.#byPlace.set(place, { ...recipient, ...(original !== undefined && { originals: [original] }) });
      return;
    }
    const { notify: wish, ...known } = before;
    // Who wrote the place itself as well hears of it by its own name.
    const names = new Set([...(known.originals ?? [known.address]), original ?? known.address]);
    const notify = eitherWish(wish, recipient.notify);
    this.#byPlace.set(place, {
      ...known,
      ...(notify && { notify }),
      ...((known.originals !== undefined || names.size > 1) && { originals: [...names] }),
    });
  }

  all(): NewRecipient[] {
    return [...this.#byPlace.values()];
  }
}
