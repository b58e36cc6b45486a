/** An operator on a stack file in memory, whose Pulumi, engine and repository are played. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { PersonRequest, RequestView } from "../../../mailserver/operator/protocol.ts";
import type { Change } from "../../../operator/changes.ts";
import type { CommitOptions } from "../../../operator/git.ts";
import { openJournal } from "../../../operator/journal.ts";
import { Operator } from "../../../operator/operator.ts";
import { Refusal } from "../../../operator/refusal.ts";
import type { Progress } from "../../../operator/updates.ts";
import type { ForPerson } from "../../../stacks/basis.ts";

export const FILE = `config:
  semail:domain: example.org
  semail:postmaster: alice
  semail:users:
    alice:
      name: Alice Martin
    bob:
      name: Bob Durand
      state: none
    carol: {name: Carol, state: none} # soon
`;
export const create = { kind: "create", uid: "bob", address: "bob@example.org" } satisfies PersonRequest;
const VOLUME = "docker:index/volume:Volume";
export const mail = (op: string, name = "person-bob-mail"): Change => ({
  urn: `urn:pulumi:t::semail::${VOLUME}::${name}`,
  op,
});
export const noAnswer = new Refusal("update-failed", "The Docker engine went away meanwhile.");

export const changedSince = new Refusal(
  "needs-administrator",
  "An administrator must run `npm run up` first.",
);

/** Pulumi and the engine, played; each update that was made is a line. */
interface Played {
  updates: string[];
  /** For whom they were. */
  people: ForPerson[];
  /** Called in each update with its number, before it changes anything; throws to have it refused. */
  before(number: number): void;
  /** Called in the middle of each; throws to have it fail. */
  during(number: number): void | Promise<void>;
  commits: { subject: string; author: string; branch: string | undefined }[];
  /** Branches that wait for an administrator. */
  waiting: string[];
  /** The committed file. */
  head: string;
  /** Errors in the log. */
  errors: { event: string; error: string }[];
  unprotected: string[];
  /** Milliseconds since 1970. */
  now: number;
  /** In milliseconds. */
  waits: number[];
  onWait(): void;
  /** Called before each entry is kept; throws to have the disk full. */
  onSave(): void;
  /** Called before the journal forgets; throws where it can't. */
  onPrune(): void;
  prepared: number;
}

export async function setUp(t: TestContext, text = FILE, remembered?: number) {
  const folder = await mkdtemp(join(tmpdir(), "semail-op-"));
  t.after(() => rm(folder, { recursive: true }));
  const state = { text };
  const played: Played = {
    updates: [],
    people: [],
    before: () => undefined,
    during: () => undefined,
    commits: [],
    waiting: [],
    head: FILE,
    errors: [],
    unprotected: [],
    now: Date.parse("2026-11-28T10:00:00Z"),
    waits: [],
    onWait: () => undefined,
    onSave: () => undefined,
    onPrune: () => undefined,
    prepared: 0,
  };
  let ids = 0;
  const start = (repository = true) => {
    const ending = new AbortController();
    const journal = openJournal(join(folder, "journal"), remembered);
    const operator = new Operator({
      file: {
        name: "Pulumi.t.yaml",
        project: "semail",
        read: () => state.text,
        write: (next) => {
          state.text = next;
        },
      },
      updates: {
        prepare: async () => {
          played.prepared += 1;
          throw new Error("Pulumi isn't there");
        },
        update: async (next: string, person: ForPerson, onProgress: (progress: Progress) => void) => {
          ending.signal.throwIfAborted();
          const number = played.updates.push(next);
          played.people.push(person);
          played.before(number);
          onProgress({ ...mail("create"), state: "running" });
          await played.during(number);
          onProgress({ ...mail("create"), state: "done" });
        },
        unprotect: async (name) => void played.unprotected.push(name),
      },
      boxes: {
        ready: async () => undefined,
        restart: async () => undefined,
        usage: async () => ({ used: 1_024, limit: null }),
        log: async (uid) => `log of ${uid}`,
      },
      repository: async () =>
        repository
          ? {
              commit: async ({ message, author, branch, edit }: CommitOptions) => {
                edit(played.head);
                played.commits.push({ subject: message.split("\n")[0] ?? "", author: author.email, branch });
                if (branch !== undefined) played.waiting.push(branch);
                return "1";
              },
              unmerged: async () => played.waiting,
            }
          : undefined,
      journal: {
        ...journal,
        save: (entry) => {
          played.onSave();
          journal.save(entry);
        },
        prune: () => {
          played.onPrune();
          return journal.prune();
        },
      },
      now: () => played.now,
      newId: () => String(++ids).padStart(32, "0"),
      wait: async (ms) => {
        played.waits.push(ms);
        played.onWait();
        ending.signal.throwIfAborted();
      },
      ending: ending.signal,
      log: {
        ...silentLog,
        error: (event, fields) => void played.errors.push({ event, error: String(fields?.error) }),
      },
    });
    return { operator, ending };
  };
  return { ...start(), start, state, played, folder };
}

/** What became of a request. */
export async function outcome(operator: Operator, id: string): Promise<RequestView> {
  await operator.idle();
  return operator.request(id);
}
export const isRefusal = (code: string) => (error: unknown) =>
  error instanceof Refusal && error.fault.code === code;
