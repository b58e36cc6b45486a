/** Reads what strace wrote of a box (test/fixtures/images/box-traced): what bears on its mail, as notes for a disk. */
import { resolve } from "node:path";
import type { Note } from "../../crash/power/trace.ts";

/** A note, or the box's word to a front service that it has a message. */
export type Step = Note | { readonly kind: "answered" };

/** A call that did what it was asked. */
interface Call {
  readonly process: string;
  readonly name: string;
  readonly flags: string;
  /** Path of the file that it is about, by its number. */
  readonly on: string;
  /** Its arguments that are strings: as paths, and as they are. */
  readonly paths: readonly [string, string];
  readonly bytes: Buffer;
}

/** Folders and messages are what counts; the indexes can be made anew. */
const isMessage = (path: string): boolean => /\/Maildir\/(?:\.[^/]+\/)?(?:tmp|new|cur)\/[^/]+$/.test(path);
const unhex = (text: string): Buffer => Buffer.from(text.replaceAll("\\x", ""), "hex");
const CALL = /^(\d+) (\w+)\((.*)\) += +(?:0|[1-9]\d*)(?:<.*>)?$/;

/** `home`: what is below it is on the box's volume. */
export function stepsOf(trace: string, home: string): Step[] {
  const reader = new Reader(home);
  return joined(trace).flatMap((line) => reader.read(line));
}

/** What a process asked while another was heard is in two lines. */
function joined(trace: string): string[] {
  const begun = new Map<string, string>();
  return trace.split("\n").flatMap((line) => {
    const [, process = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (rest.endsWith("<unfinished ...>")) {
      begun.set(process, rest.slice(0, -"<unfinished ...>".length));
      return [];
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    return [`${process} ${resumed ? `${begun.get(process) ?? ""}${resumed[1]}` : rest}`];
  });
}

class Reader {
  readonly #home: string;
  /** What is under a path, by a number, and how much was written of it. */
  readonly #files = new Map<string, { file: number; size: number }>();
  /** Where each process is. */
  readonly #places = new Map<string, string>();
  #last = 0;

  readonly #calls: Readonly<Record<string, (call: Call) => Step[]>> = {
    chdir: ({ process, paths }) => this.#goes(process, paths[0]),
    fchdir: ({ process, on }) => this.#goes(process, on),
    open: (call) => this.#opened(call),
    openat: (call) => this.#opened(call),
    mkdir: ({ paths: [path] }) => (this.#inside(path) ? [{ kind: "folder", path }] : []),
    write: (call) => this.#wrote(call),
    writev: (call) => this.#wrote(call),
    sendto: (call) => this.#wrote(call),
    rename: (call) => this.#moved(call),
    link: (call) => this.#moved(call),
    unlink: ({ paths: [path] }) => (this.#files.delete(path) ? [{ kind: "removed", path }] : []),
    fsync: (call) => this.#synced(call),
    fdatasync: (call) => this.#synced(call),
  };

  constructor(home: string) {
    this.#home = home;
  }

  read(line: string): Step[] {
    const [, process = "", name = "", args = ""] = CALL.exec(line) ?? [];
    const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = ""]) => unhex(hex));
    const place = this.#places.get(process) ?? "/";
    const path = (at: number): string => resolve(place, String(strings[at] ?? ""));
    const on = /^\d+<([^>]*)>/.exec(args)?.[1] ?? "";
    const call: Call = {
      ...{ process, name, flags: args, on: on.startsWith("\\x") ? String(unhex(on)) : on },
      ...{ paths: [path(0), path(1)], bytes: Buffer.concat(strings) },
    };
    const does = Object.hasOwn(this.#calls, name) ? this.#calls[name] : undefined;
    if (does !== undefined) return does(call);
    // Whatever else is done to a message is not understood.
    return isMessage(call.on) || isMessage(call.paths[0]) ? [{ kind: "unknown", call: name }] : [];
  }

  #goes(process: string, path: string): Step[] {
    this.#places.set(process, path);
    return [];
  }

  #opened({ flags, paths: [path] }: Call): Step[] {
    if (!flags.includes("O_CREAT") || !isMessage(path) || this.#files.has(path)) return [];
    return [{ kind: "created", file: this.#known(path).file, path }];
  }

  #wrote({ process, on, bytes }: Call): Step[] {
    if (!isMessage(on)) return /^250 2\.0\.0 </m.test(bytes.toString("latin1")) ? [{ kind: "answered" }] : [];
    const known = this.#known(on);
    const at = known.size;
    known.size += bytes.length;
    return [{ kind: "wrote", process: Number(process), file: known.file, at, bytes }];
  }

  #moved({ name, paths: [from, to] }: Call): Step[] {
    const found = this.#files.get(from);
    if (found === undefined || !isMessage(to)) return [];
    this.#files.set(to, found);
    const linked: Step = { kind: "linked", from, to };
    if (name === "link") return [linked];
    this.#files.delete(from);
    // The disk writes the two folders one after the other, in either order.
    return [linked, { kind: "removed", path: from }];
  }

  #synced({ process, on }: Call): Step[] {
    if (!this.#inside(on)) return [];
    const { file } = this.#known(on);
    const sync = { process: Number(process), file, sync: ++this.#last };
    // A folder is told by the name that it has now.
    const opened: Step[] = isMessage(on) ? [] : [{ kind: "opened", file, path: on }];
    return [...opened, { kind: "began", ...sync }, { kind: "synced", ...sync }];
  }

  #inside(path: string): boolean {
    return path === this.#home || path.startsWith(`${this.#home}/`);
  }

  #known(path: string): { file: number; size: number } {
    const known = this.#files.get(path) ?? { file: ++this.#last, size: 0 };
    this.#files.set(path, known);
    return known;
  }
}
