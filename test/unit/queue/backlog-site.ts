/** A backlog whose time a test lets pass, and what it is filled with. */
import { Backlog, type Group } from "../../../mailserver/queue/backlog.ts";
import type { DueItem } from "../../../mailserver/queue/item.ts";

/** An item of one recipient for each destination; `originals`: from which addresses it is sent on there. */
export function due(
  id: string,
  destinations: readonly string[],
  size = 1_000,
  originals: readonly string[] = [],
): DueItem {
  const recipients = destinations.map((destination, seq) => ({
    seq,
    destination,
    originals,
    address: "x@y.example",
  }));
  return { id, size, recipients } as unknown as DueItem;
}

export function filled(atOnce: number, destinations: readonly string[]) {
  let now = 0;
  const backlog = new Backlog({ atOnce, now: () => now });
  const add = (names: readonly string[], size?: number, originals?: readonly string[]) => {
    for (const name of names) backlog.add(due(`${name}-${now}`, [name], size, originals));
  };
  add(destinations);
  const takeAll = (): Group[] => {
    const groups: Group[] = [];
    for (let group = backlog.take(); group !== undefined; group = backlog.take()) groups.push(group);
    return groups;
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { backlog, add, takeAll, pass, now: () => now };
}

export const names = (groups: readonly Group[]): string[] =>
  groups.map(({ destination }) => destination).sort();
export const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${name}${at}`);

export const MIB = 1024 * 1024;
export const MINUTE = 60_000;
