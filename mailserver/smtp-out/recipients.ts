/** The recipients of a message that is being submitted, each place once, and for whom it goes there. Pure. */
import { eitherWish } from "../policy/notify.ts";
import type { NewRecipient } from "../queue/item.ts";
import type { Place } from "./places.ts";

export interface Named extends Pick<NewRecipient, "address" | "destination" | "notify" | "orcpt"> {
  /** What the sender wrote instead of `address`, when that is where mail for it is forwarded to. */
  readonly original?: string;
}

export class Recipients {
  readonly #byPlace = new Map<string, NewRecipient>();
  /** Places to which only forwards lead. */
  readonly #copies = new Set<string>();
  readonly #served = new Set<string>();

  /** No forward leads there any more: who is there has the message. */
  leaveOut(place: string): void {
    this.#served.add(place);
  }

  add({ place, copy, original, ...recipient }: Place): void {
    if (copy === undefined) this.#copies.delete(place);
    else if (!this.#byPlace.has(place)) this.#copies.add(place);
    const before = this.#byPlace.get(place);
    if (before === undefined) {
      this.#byPlace.set(place, { ...recipient, ...(original !== undefined && { originals: [original] }) });
      return;
    }
    const { notify: wish, ...known } = before;
    // Who wrote the place itself as well hears of it by its own name: as they wrote it, where a forward calls it otherwise.
    const own = known.originals === undefined ? known.address : recipient.address;
    const names = new Set([...(known.originals ?? [known.address]), original ?? own]);
    const notify = eitherWish(wish, recipient.notify);
    this.#byPlace.set(place, {
      ...known,
      ...(notify && { notify }),
      ...((known.originals !== undefined || names.size > 1) && { originals: [...names] }),
    });
  }

  all(): NewRecipient[] {
    const left = (place: string): boolean => this.#served.has(place) && this.#copies.has(place);
    return [...this.#byPlace].flatMap(([place, recipient]) => (left(place) ? [] : [recipient]));
  }
}
