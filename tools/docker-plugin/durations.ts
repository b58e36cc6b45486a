/** Durations as Go writes them, which is how the official plugin takes them. */

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y;

/** Nanoseconds in `1m30s`, `500ms`, `1.5h` or `0`; undefined if it isn't a duration. */
export function nanoseconds(duration: string): number | undefined {
  if (duration === "0") return 0;
  let total = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < duration.length) {
    const match = PART.exec(duration);
    if (match === null) return undefined;
    total += Number(match[1]) * (NANOSECONDS[match[2] ?? ""] ?? Number.NaN);
  }
  return duration === "" ? undefined : Math.round(total);
}

/** Go's way of writing so many nanoseconds, for durations that are read back. */
export function goDuration(value: number): string {
  if (value === 0) return "0s";
  if (value < 1e9) return value % 1e6 === 0 ? `${value / 1e6}ms` : `${value}ns`;
  const hours = Math.floor(value / 3600e9);
  const minutes = Math.floor((value % 3600e9) / 60e9);
  const seconds = (value % 60e9) / 1e9;
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${seconds}s`;
}

/** Says what is wrong with a duration. */
export function durationFault(value: string): string | undefined {
  return nanoseconds(value) === undefined ? `not a duration such as "30s" or "1m30s": ${value}` : undefined;
}
