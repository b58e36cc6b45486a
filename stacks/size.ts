/** Sizes in the stack config: a number with a unit, powers of 1024. */

const UNITS: Readonly<Record<string, number>> = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };
const SIZE = /^(\d{1,6}(?:\.\d{1,3})?) ?(KB|MB|GB|TB)$/i;

/** Bytes of `text` such as `500MB` or `1.5 GB`; undefined when it isn't a size. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit] = SIZE.exec(text) ?? [];
  const factor = UNITS[unit?.toUpperCase() ?? ""];
  return amount === undefined || factor === undefined ? undefined : Math.floor(Number(amount) * factor);
}
