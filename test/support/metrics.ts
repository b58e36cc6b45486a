/** Reads a page of /metrics. */

/** The sum of a metric over all processes that tell it; NaN when none does. */
export function metricSum(page: string, name: string): number {
  const values = page.split("\n").flatMap((line) => {
    const [, value] = new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`).exec(line) ?? [];
    return value === undefined ? [] : [Number(value)];
  });
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value);
}
