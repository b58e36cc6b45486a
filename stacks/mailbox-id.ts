/** How a mailbox is named beside others that its uid had. Pure. */

/** Begins the number; no uid has it. */
const MARK = "_";

/** Of the mailbox with that number under the uid: `alice`, then `alice_2`. Names its volume and its snapshots. */
export function mailboxId(uid: string, number: number): string {
  return number === 1 ? uid : `${uid}${MARK}${number}`;
}

/** A pattern for the uid's mailboxes after the first; `*` stands for the number. */
export function laterMailboxIds(uid: string): string {
  return `${uid}${MARK}*`;
}

/** The uid and the number in an id; `alice_1` is `alice`. */
export function parseMailboxId(id: string): { uid: string; number: number } {
  const [, uid, digits] = /^(.+)_([1-9]\d{0,3})$/.exec(id) ?? [];
  return uid === undefined ? { uid: id, number: 1 } : { uid, number: Number(digits) };
}

/** The mailbox that is meant among those there are: the one of that id, or else the latest of that uid. */
export function chooseMailbox(wanted: string, ids: readonly string[]): string {
  const { uid, number } = parseMailboxId(wanted);
  if (wanted !== uid) return mailboxId(uid, number);
  const numbers = ids.map(parseMailboxId).flatMap((each) => (each.uid === uid ? [each.number] : []));
  return mailboxId(uid, Math.max(1, ...numbers));
}
