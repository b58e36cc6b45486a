/** What lies aside of an item, read again. Pure. */
import { z } from "zod";
import { parseEnvelopeAddress } from "../smtp/address.ts";
import { fromJson, HistoryRow, ItemRow, RecipientRow } from "./item.ts";
import { readable } from "./readable.ts";

/** A row as it was, column by column. */
const KeptRow = z.record(z.string(), z.union([z.string(), z.number(), z.null()]));
export type KeptRow = z.infer<typeof KeptRow>;
const Rows = z.string().transform(fromJson).pipe(z.array(z.unknown()));

/** Columns that an item of before they came does not have. */
const LATER: KeptRow = { originals: null, notify: null, orcpt: null, owed: null, delay_told: 0 };

export interface Kept {
  readonly item: KeptRow;
  readonly recipients: readonly KeptRow[];
  readonly history: readonly KeptRow[];
  readonly body: Uint8Array;
}

/** All of it, or each part that can't be read, with the reason. */
export function readKept(row: Readonly<Record<string, unknown>>): Kept | { readonly faults: string[] } {
  const faults: string[] = [];
  function part<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
  const item = part(() => readItem(row.item));
  const rows = part(() => readable(Rows, row.recipients, "recipients")) ?? [];
  const recipients = rows
    .map((each, index) => part(() => readRecipient(each, index)))
    .filter((each) => each !== undefined);
  if (row.recipients === "[]") faults.push("recipients: there are none");
  const body = row.body instanceof Uint8Array ? row.body : undefined;
  if (body === undefined) faults.push("body: it is missing, or can't be read");
  if (item === undefined || body === undefined || faults.length > 0) return { faults };
  return { item, recipients, history: readHistory(row.history), body };
}

function readItem(text: unknown): KeptRow {
  const [row] = readable(Rows, text, "item");
  const { envelope } = readable(ItemRow, row, "item");
  const { from } = envelope;
  if (from !== "") checkAddress(from, "item: the sender");
  return readable(KeptRow, row, "item");
}

function readRecipient(given: unknown, index: number): KeptRow {
  const row = { ...LATER, ...readable(KeptRow, given, `recipient ${index}`) };
  const what = `recipient ${row.seq}`;
  checkAddress(readable(RecipientRow, row, what).address, what);
  return row;
}

/** Attempts of which nobody can read what came are left out: they are for people to look at, and nothing follows from them. */
function readHistory(text: unknown): KeptRow[] {
  const rows = Rows.safeParse(text).data ?? [];
  return rows
    .filter((row) => HistoryRow.safeParse(row).success)
    .map((row) => KeptRow.safeParse(row).data)
    .filter((row) => row !== undefined);
}

function checkAddress(text: string, what: string): void {
  if (parseEnvelopeAddress(text) === undefined) throw new Error(`${what}: ${text} is no address`);
}
