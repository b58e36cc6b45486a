/** The pure part of LibvirtDisk. */
import { z } from "zod";
import { absolutePath, domainName, localUri } from "../libvirt/fields.ts";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. */
export const shape = {
  uri: localUri,
  path: absolutePath,
  sizeGiB: z.int("must be a whole number").min(1).max(65_536),
  /** The VM that has the disk open when it runs: a running one is told of its new size. */
  domain: domainName,
  deletable: z.boolean().default(false),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.output<typeof Inputs>;

/** A disk is never made anew by a change: it grows, or the change is refused. */
export function refusals(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const failures: { property: string; reason: string }[] = [];
  if (typeof olds.path === "string" && typeof news.path === "string" && olds.path !== news.path) {
    const reason = `the data disk lies at ${olds.path}: shut the VM down, move the file by hand and correct the state, or leave the path as it was`;
    failures.push({ property: "path", reason });
  }
  if (Number(news.sizeGiB) < Number(olds.sizeGiB)) {
    const reason = `a disk can't shrink: it has ${olds.sizeGiB} GiB, ${news.sizeGiB} are asked for`;
    failures.push({ property: "sizeGiB", reason });
  }
  return failures;
}

/** Everything that may change does so in place. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const changed = changedKeys(Object.keys(shape), olds, news);
  return { changes: changed.length > 0, replaces: [] };
}

/** Answer of `qemu-img info --output=json`, as far as it is needed. */
const Info = z.object({ format: z.string(), "virtual-size": z.int() });

/** Format and size, in bytes, of a disk file. Throws when the text isn't qemu-img's. */
export function parseInfo(json: string): { format: string; bytes: number } {
  const info = Info.parse(JSON.parse(json));
  return { format: info.format, bytes: info["virtual-size"] };
}
