/** Snapshots of a zone: one before the changes of an update, and what becomes of the old ones. */
import { z } from "zod";
import type { Talk } from "./answers.ts";
import { ApiError, withoutSnapshot } from "./errors.ts";

/** Begins the name of each snapshot that is made here; the time follows. */
const NAME = "before Pulumi, ";
const Snapshot = z.object({ id: z.string(), name: z.string() });
const isOurs = ({ name }: z.infer<typeof Snapshot>): boolean =>
  name.startsWith(NAME) && z.iso.datetime().safeParse(name.slice(NAME.length)).success;

const pathOf = (zone: string) => `/domains/${encodeURIComponent(zone)}/snapshots`;

/** Keeps a zone as it is. */
export async function makeSnapshot({ change }: Talk, zone: string, now: Date): Promise<void> {
  await change("POST", pathOf(zone), { name: `${NAME}${now.toISOString()}` }).catch(withoutSnapshot);
}

/** Removes those that were made here, but for the newest; gives how many went. */
export async function removeOldSnapshots(
  { list, change }: Talk,
  zone: string,
  keep: number,
): Promise<number> {
  const made = (await list(pathOf(zone), Snapshot)).filter(isOurs);
  // ISO 8601: the later, the greater.
  const old = made.toSorted((a, b) => (a.name < b.name ? 1 : -1)).slice(keep);
  for (const { id } of old) await change("DELETE", `${pathOf(zone)}/${encodeURIComponent(id)}`).catch(ifGone);
  return old.length;
}

/** Somebody else was faster. */
function ifGone(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}
