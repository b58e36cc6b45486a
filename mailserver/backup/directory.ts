/** The people's entries of the directory, their passwords with them: saved as LDIF, and handed out again. */
import type { Readable } from "node:stream";
import { BackupFault } from "./fault.ts";
import { type Limits, letGo, openRepository, snapshotsOf, type Tools, watch } from "./jobs.ts";
import { latest } from "./snapshots.ts";

/** As the host of its snapshots: no person's uid begins so. */
const HOST = "@directory";
const TAG = "directory";
const FILE = "directory.ldif";

/** Takes a snapshot of what comes in. Nothing but the whole of it: what broke off before its end is none. */
export async function saveDirectory(from: Readable, { keepAll }: Limits, tools: Tools): Promise<void> {
  const { restic, emit } = tools;
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(Buffer.from(chunk));
  const ldif = Buffer.concat(chunks);
  const entries = ldif.toString().match(/^dn:/gm)?.length ?? 0;
  if (entries === 0)
    throw new BackupFault("The directory handed out no entries.", "See that it runs, then run it again.");
  await openRepository(tools);
  const told = watch(() => {});
  await restic.run({
    args: ["backup", "--json", "--stdin", "--stdin-filename", FILE, "--host", HOST, "--tag", TAG],
    from: ldif,
    onLine: told.line,
  });
  const { snapshot_id: id, total_bytes_processed: bytes, data_added: addedBytes } = told.summary();
  emit({ kind: "saved", id: id.slice(0, 8), messages: 0, entries, bytes, addedBytes });
  if (!keepAll) await letGo({ host: HOST, tag: TAG }, tools);
}

/** Writes the latest snapshot, from before the time that is asked for where there is one. */
export async function exportDirectory({ before }: Limits, { restic, emit, out }: Tools): Promise<void> {
  const found = latest(await snapshotsOf(HOST, restic), before);
  if (!found)
    throw new BackupFault(
      "The repository has no snapshot of the directory.",
      "`npm run backup -- save --all` takes one, while the directory is there.",
    );
  await restic.run({ args: ["dump", "--no-lock", found.id, `/${FILE}`], into: out });
  emit({ kind: "exported", id: found.short_id, time: found.time });
}
