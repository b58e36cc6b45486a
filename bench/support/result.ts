/** How a benchmark says what it measured. */
import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, release, totalmem } from "node:os";
import { join } from "node:path";

/** One figure, with its peers measured in the same run. */
export interface Row {
  readonly metric: string;
  readonly unit: string;
  readonly ours: number;
  readonly peers?: Readonly<Record<string, number>>;
  readonly ratio?: Readonly<Record<string, number>>;
  readonly wanted?: string;
  readonly holds?: boolean;
}

/** A row that must not exceed `most`. */
export function atMost(metric: string, unit: string, ours: number, most: number): Row {
  return { metric, unit, ours: round(ours), wanted: `≤ ${most}`, holds: ours <= most };
}

/** A row whose ratio to a peer must not exceed `most`. */
export function ratioAtMost(
  row: { metric: string; unit: string; ours: number; peer: string; theirs: number },
  most: number,
): Row {
  const ratio = row.ours / row.theirs;
  return {
    metric: row.metric,
    unit: row.unit,
    ours: round(row.ours),
    peers: { [row.peer]: round(row.theirs) },
    ratio: { [row.peer]: round(ratio) },
    wanted: `≤ ${most} × ${row.peer}`,
    holds: ratio <= most,
  };
}

/** A row whose ratio to each peer must be at least what is wanted of it. */
export function ratioAtLeast(
  row: { metric: string; unit: string; ours: number },
  peers: Readonly<Record<string, { readonly theirs: number; readonly least: number }>>,
): Row {
  const { ours } = row;
  const each = Object.entries(peers);
  return {
    ...beside(row, Object.fromEntries(each.map(([name, { theirs }]) => [name, theirs]))),
    wanted: each.map(([name, { least }]) => `≥ ${least} × ${name}`).join(", "),
    holds: each.every(([, { theirs, least }]) => ours >= least * theirs),
  };
}

/** A row with peers, of whose ratios nothing is wanted. */
export function beside(
  { metric, unit, ours }: { metric: string; unit: string; ours: number },
  peers: Readonly<Record<string, number>>,
): Row {
  const values = (of: (theirs: number) => number): Record<string, number> =>
    Object.fromEntries(Object.entries(peers).map(([name, theirs]) => [name, round(of(theirs))]));
  return {
    ...{ metric, unit, ours: round(ours) },
    peers: values((theirs) => theirs),
    ratio: values((theirs) => ours / theirs),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Prints the table and writes `bench/results/<name>.json`. `conditions`: what one must know to judge the figures. */
export async function report(
  name: string,
  rows: readonly Row[],
  conditions?: Readonly<Record<string, unknown>>,
): Promise<void> {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${arch()}, Linux ${release()}`;
  const folder = join(import.meta.dirname, "../results");
  await mkdir(folder, { recursive: true });
  const result = { name, machine, date: new Date().toISOString().slice(0, 10), conditions, rows };
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  show(rows);
}

/** Prints the table. */
export function show(rows: readonly Row[]): void {
  const cells = rows.map(({ metric, ours, unit, peers, wanted, holds }) => ({
    metric,
    ours: `${ours} ${unit}`,
    peers: Object.entries(peers ?? {})
      .map(([peer, value]) => `${peer} ${value}`)
      .join(", "),
    wanted: wanted ?? "",
    holds: holds === undefined ? "" : holds ? "yes" : "NO",
  }));
  console.table(cells);
}
