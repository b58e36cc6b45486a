/** Parts of a benchmark that can be run alone. */

/** The parts that are named behind the benchmark's name; all of them when none is. Throws when one isn't there. */
export function wantedParts<T>(known: Readonly<Record<string, T>>): {
  readonly parts: readonly T[];
  readonly all: boolean;
} {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    throw new Error(`No part is called ${unknown}: there are ${Object.keys(known).join(", ")}.`);
  }
  const all = names.length === 0;
  const chosen = Object.entries(known).filter(([name]) => all || names.includes(name));
  return { parts: chosen.map(([, part]) => part), all };
}
