/**
 * A folder on a disk that keeps what it was told to sync, and of the rest whatever it likes. As strict as POSIX allows:
 * a file's content is safe after a sync of the file, its name after a sync of its folder. Pure.
 */
import { dirname } from "node:path";
import type { Note } from "./trace.ts";

/** A part of the disk that is written whole or not at all. */
const SECTOR = 512;

interface Write {
  readonly process: number;
  readonly at: number;
  /** What is written there; none cuts the file off there, or fills it up to there. */
  readonly bytes?: Buffer;
}

/** Content on the disk, and the changes that are still on their way there. */
class Content {
  #safe: Buffer;
  #pending: Write[] = [];
  /** Changes that the disk has. */
  #done = 0;

  constructor(safe: Buffer) {
    this.#safe = safe;
  }

  add(write: Write): void {
    this.#pending.push(write);
  }

  /** How many changes there were so far: what a sync covers that begins now. */
  get mark(): number {
    return this.#done + this.#pending.length;
  }

  sync(mark: number): void {
    const covered = this.#pending.splice(0, Math.max(0, mark - this.#done));
    this.#done += covered.length;
    this.#safe = covered.reduce(changed, this.#safe);
  }

  after(keeps: Keeps): Buffer {
    return this.#pending.flatMap((write) => pieces(write).filter(() => keeps())).reduce(changed, this.#safe);
  }

  get last(): Write | undefined {
    return this.#pending.at(-1);
  }
}

/** What the disk can take apart. */
function pieces({ at, bytes, ...rest }: Write): Write[] {
  if (bytes === undefined) return [{ ...rest, at }];
  const cuts: Write[] = [];
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + SECTOR - ((at + from) % SECTOR));
    cuts.push({ ...rest, at: at + from, bytes: bytes.subarray(from, to) });
    from = to;
  }
  return cuts;
}

function changed(content: Buffer, { at, bytes }: Write): Buffer {
  const size = bytes === undefined ? at : Math.max(content.length, at + bytes.length);
  // Copied only where it must be: a file is written to many times.
  const grown = size === content.length ? content : Buffer.concat([content], size);
  bytes?.copy(grown, at);
  return grown;
}

type Naming =
  | { readonly kind: "made"; readonly path: string; readonly what: Content | "folder" }
  | { readonly kind: "removed"; readonly path: string }
  | { readonly kind: "renamed"; readonly path: string; readonly to: string };

/** Asked for each change that was not synced. */
type Keeps = () => boolean;

/** By path; "folder" is one. */
export type Tree = ReadonlyMap<string, Buffer | "folder">;

/** A change that its process may not have come to make: it was noted, and then came the end. */
export interface Unfinished {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export class Disk {
  /** Names that the disk has. */
  readonly #safe = new Map<string, Content | "folder">();
  /** And those that the processes see. */
  readonly #seen: Map<string, Content | "folder">;
  #pending: Naming[] = [];
  readonly #open = new Map<number, Content | string>();
  readonly #syncs = new Map<string, () => void>();
  readonly #lastOf = new Map<number, Content>();

  /** A sync of anything has all names on the disk that were there before it. */
  readonly #ordered: boolean;

  /**
   * All of `before` is on the disk. `ordered`: as the journals of ext4, XFS and Btrfs do, which POSIX doesn't ask for.
   */
  constructor(before: Tree, { ordered = false }: { readonly ordered?: boolean } = {}) {
    this.#ordered = ordered;
    for (const [path, what] of before) {
      this.#safe.set(path, what === "folder" ? what : new Content(Buffer.from(what)));
    }
    this.#seen = new Map(this.#safe);
  }

  /** Throws for what this disk can't do. */
  note(note: Note): void {
    switch (note.kind) {
      case "opened":
        this.#open.set(note.file, this.#contentAt(note.path) ?? note.path);
        break;
      case "created":
        this.#create(note);
        break;
      case "folder":
        this.#name({ kind: "made", path: note.path, what: "folder" });
        break;
      case "removed":
        this.#name({ kind: "removed", path: note.path });
        break;
      case "renamed":
        if (dirname(note.from) !== dirname(note.to))
          throw new Error(`a rename to another folder: ${note.to}`);
        this.#name({ kind: "renamed", path: note.from, to: note.to });
        break;
      case "linked": {
        const what = this.#seen.get(note.from);
        if (what !== undefined) this.#name({ kind: "made", path: note.to, what });
        break;
      }
      case "wrote":
        this.#write(note.file, note);
        break;
      case "truncated":
        this.#write(note.file, { process: note.process, at: note.size });
        break;
      case "began":
        this.#syncs.set(`${note.process} ${note.sync}`, this.#syncOf(note.file));
        break;
      case "synced":
        this.#syncs.get(`${note.process} ${note.sync}`)?.();
        break;
      case "unknown":
        throw new Error(`this disk can't ${note.call}`);
    }
  }

  /** What is there after a power cut, when `keeps` says of each change that was not synced whether it got there. */
  after(keeps: Keeps): Tree {
    const names = new Map(this.#safe);
    for (const naming of this.#pending) if (keeps()) rename(names, naming);
    return new Map(
      [...names].map(([path, what]) => [path, what === "folder" ? what : what.after(keeps)] as const),
    );
  }

  /** The last change of each process that wrote. */
  unfinished(): Unfinished[] {
    return [...this.#seen].flatMap(([path, what]) => {
      if (what === "folder" || what.last === undefined) return [];
      const { process, at, bytes } = what.last;
      if (this.#lastOf.get(process) !== what) return [];
      return [{ path, from: at, to: bytes === undefined ? Number.POSITIVE_INFINITY : at + bytes.length }];
    });
  }

  #contentAt(path: string): Content | undefined {
    const what = this.#seen.get(path);
    return what === "folder" ? undefined : what;
  }

  #create({ file, path }: { readonly file: number; readonly path: string }): void {
    const content = new Content(Buffer.alloc(0));
    this.#open.set(file, content);
    this.#name({ kind: "made", path, what: content });
  }

  #write(file: number, { process, at, bytes }: Write): void {
    const content = this.#open.get(file);
    if (!(content instanceof Content)) throw new Error(`a write to ${content ?? "nothing that is open"}`);
    content.add({ process, at, ...(bytes && { bytes }) });
    this.#lastOf.set(process, content);
  }

  #name(naming: Naming): void {
    this.#pending.push(naming);
    rename(this.#seen, naming);
  }

  /** What a sync that begins now does when it ends. */
  #syncOf(file: number): () => void {
    const what = this.#open.get(file);
    const covered = new Set(
      this.#pending.filter(
        ({ path }) => this.#ordered || (typeof what === "string" && dirname(path) === what),
      ),
    );
    const mark = what instanceof Content ? what.mark : 0;
    return () => {
      if (what instanceof Content) what.sync(mark);
      for (const naming of this.#pending) if (covered.has(naming)) rename(this.#safe, naming);
      this.#pending = this.#pending.filter((naming) => !covered.has(naming));
    };
  }
}

function rename(names: Map<string, Content | "folder">, naming: Naming): void {
  const { path } = naming;
  if (naming.kind === "made") {
    names.set(path, naming.what);
    return;
  }
  const what = names.get(path);
  names.delete(path);
  if (naming.kind === "renamed" && what !== undefined) names.set(naming.to, what);
}
