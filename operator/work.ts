/** Does one request, or takes it back. Every step may be repeated: a run that was killed is gone through again. */

import type { Log } from "../mailserver/net/log.ts";
import { entryDigest, type ForPerson } from "../stacks/basis.ts";
import { mailboxId } from "../stacks/mailbox-id.ts";
import type { StackConfig } from "../stacks/schema.ts";
import { BRANCHES, branchOf, requireRoom } from "./approval.ts";
import type { Boxes } from "./boxes.ts";
import { changesTheirs } from "./changes.ts";
import { decide } from "./decide.ts";
import type { Repository } from "./git.ts";
import type { Entry } from "./journal.ts";
import { withChange } from "./plan.ts";
import { mark, markResource } from "./progress.ts";
import { Refusal } from "./refusal.ts";
import { applyChange, type EntryChange, planChange, readConfig, reversed } from "./stack-file.ts";
import type { StackUpdates } from "./updates.ts";

/** The stack file of the checkout. */
export interface StackFile {
  readonly name: string;
  readonly project: string;
  /** Throws a Refusal when it can't be read. */
  read(): string;
  /** On stable storage when it returns. */
  write(text: string): void;
}

/** What work needs. */
export interface WorkDeps {
  readonly file: StackFile;
  readonly updates: StackUpdates;
  readonly boxes: Boxes;
  /** Undefined when the file isn't part of a work tree. */
  repository(): Promise<Repository | undefined>;
  /** Milliseconds since 1970. */
  now(): number;
  /** Keeps the entry, and tells who watches it; throws when the disk doesn't take it. For what has to be known again. */
  save(entry: Entry): void;
  /** Tells who watches it. For how far it is: on a full disk what was begun is brought to its end all the same. */
  tell(entry: Entry): void;
  readonly log: Log;
}

/** The day, in UTC. */
export const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Makes the stack as the request asks. Throws a Refusal; what was done by then is for {@link undo}. */
export async function apply(entry: Entry, deps: WorkDeps): Promise<"done" | "waiting-for-approval"> {
  if (entry.request.kind === "restart") return restart(entry, deps);
  mark(entry, "config", "running");
  deps.tell(entry);
  const { before, after, config } = plan(entry, deps);
  // On record before anything is touched.
  deps.save(entry);
  if (config.portal.approval) return propose(entry, config, deps);
  if (after !== before || entry.touched) await change(entry, after, config, deps);
  for (const { name } of entry.view.steps) mark(entry, name, "done");
  return "done";
}

async function change(entry: Entry, after: string, config: StackConfig, deps: WorkDeps): Promise<void> {
  const { uid } = entry.view;
  const planned = requireChange(entry);
  const again = entry.touched;
  entry.touched = true;
  deps.save(entry);
  deps.file.write(applyChange(deps.file.read(), planned));
  let recorded: Promise<void> | undefined;
  const record = (): Promise<void> => {
    mark(entry, "config", "done");
    recorded ??= commit(entry, planned, { config, deps, subject: subjectOf(entry) });
    return recorded;
  };
  try {
    await deps.updates.update(after, personOf(after, planned, deps), (progress) => {
      // Not before: what is refused leaves nothing in the history.
      if (changesTheirs(uid, progress)) void record();
      // What stays as it is may come before that, and is no step of the way.
      if (recorded && markResource(entry, progress)) deps.tell(entry);
    });
  } catch (error) {
    await recorded;
    // The program's own word, which it says before the first resource.
    if (isRefused(error) && !again && !recorded) {
      deps.file.write(applyChange(deps.file.read(), reversed(planned)));
      entry.touched = false;
    }
    throw error;
  }
  await record();
  if (readConfig(at(deps, after)).users[uid]?.state !== "active") return;
  mark(entry, "ready", "running");
  deps.tell(entry);
  await deps.boxes.ready(uid);
}

const isRefused = (error: unknown): boolean =>
  error instanceof Refusal && error.fault.code === "needs-administrator";

async function restart(entry: Entry, { boxes, file, tell, now }: WorkDeps): Promise<"done"> {
  decide({ config: readConfig(at({ file }, file.read())), today: dayOf(now()) }, entry.request);
  mark(entry, "container", "running");
  tell(entry);
  await boxes.restart(entry.view.uid);
  mark(entry, "container", "done");
  mark(entry, "ready", "running");
  tell(entry);
  await boxes.ready(entry.view.uid);
  mark(entry, "ready", "done");
  return "done";
}

const at = ({ file: { name, project } }: Pick<WorkDeps, "file">, text: string) => ({ name, project, text });

/** Decides once, and keeps to it: the journal has what the entry was and shall be. */
function plan(entry: Entry, deps: WorkDeps): { before: string; after: string; config: StackConfig } {
  const { uid } = entry.view;
  const before = deps.file.read();
  const config = readConfig(at(deps, before));
  if (!entry.change) {
    const edit = decide({ config, today: dayOf(deps.now()) }, entry.request);
    entry.change = planChange(before, uid, edit);
  }
  const after = withChange(config, entry.change, at(deps, before));
  return { before, after, config };
}

function requireChange({ change }: Entry): EntryChange {
  if (!change) throw new Error("no change was planned");
  return change;
}

/** With approval, the commit goes to a branch of its own, and the stack is left alone. */
async function propose(entry: Entry, config: StackConfig, deps: WorkDeps): Promise<"waiting-for-approval"> {
  const repository = await deps.repository();
  if (!repository)
    throw new Refusal(
      "needs-administrator",
      `Requests are to be approved (semail:portal.approval), but ${deps.file.name} isn't in a git work tree.`,
    );
  requireRoom(entry.view, await repository.unmerged(BRANCHES));
  await repository.commit({
    ...commitOptions(entry, requireChange(entry), config),
    file: deps.file.name,
    branch: branchOf(entry.view),
  });
  mark(entry, "config", "done");
  return "waiting-for-approval";
}

const SUBJECTS = {
  create: "makes a mailbox",
  update: "changes their mailbox",
  delete: "gives their mailbox up",
  "cancel-delete": "takes their mailbox back",
  restart: "restarts their box",
} as const;
const subjectOf = ({ view }: Entry): string => `${view.uid} ${SUBJECTS[view.kind]}`;

function commitOptions(entry: Entry, change: EntryChange, config: StackConfig, subject = subjectOf(entry)) {
  const { uid, id } = entry.view;
  const user = config.users[uid];
  const request = entry.request.kind === "create" ? entry.request.address : undefined;
  const email = user?.addresses?.[0] ?? request ?? `${uid}@${config.domain}`;
  return {
    message: `${subject}\n\nRequest: ${id}`,
    author: { name: user?.name ?? uid, email },
    committer: { name: "Semail operator", email: `operator@${config.domain}` },
    edit: (text: string) => committed(text, change),
  };
}

/** The committed text changed; the administrator may have put the person there since, and not committed that yet. */
function committed(text: string, change: EntryChange): string {
  try {
    return applyChange(text, change);
  } catch (cause) {
    throw new Error(
      `The last commit doesn't have the lines of ${change.uid} as they were before: commit the file, which has the change.`,
      { cause },
    );
  }
}

/** A commit that can't be made stops nobody's mailbox: the file is as asked, and the log says so. */
async function commit(
  entry: Entry,
  change: EntryChange,
  { config, deps, subject }: { config: StackConfig; deps: WorkDeps; subject: string },
): Promise<void> {
  try {
    const repository = await deps.repository();
    const options = commitOptions(entry, change, config, subject);
    await repository?.commit({ ...options, file: deps.file.name });
  } catch (error) {
    deps.log.error("operator.commit.failed", { request: entry.view.id, error });
  }
}

/** Takes back what {@link apply} did. Throws when that isn't possible now. */
export async function undo(entry: Entry, deps: WorkDeps): Promise<void> {
  if (!entry.change || !entry.touched) return;
  const back = reversed(entry.change);
  const { uid } = entry.view;
  const text = textWithout(entry, back, deps);
  if (text === undefined) return;
  const config = readConfig(at(deps, text));
  deps.file.write(text);
  await commit(entry, back, { config, deps, subject: `Undo: ${subjectOf(entry)}` });
  // A volume that was made for a mailbox which didn't come to be has no mail in it.
  const user = config.users[uid];
  if (user?.state === "none") await deps.updates.unprotect(`person-${mailboxId(uid, user.mailbox)}-mail`);
  await deps.updates.update(text, personOf(text, back, deps), () => undefined);
}

/** Whom the update is for that makes the change, or takes it back, in the file with that text. */
function personOf(text: string, change: EntryChange, deps: WorkDeps): ForPerson {
  const { uid } = change;
  const entries = [change, reversed(change)].flatMap((each) => {
    const user = readConfig(at(deps, applyChange(text, each))).users[uid];
    return user ? [entryDigest(user)] : [];
  });
  return { uid, entries };
}

/** The file with the change taken back; throws a Refusal when it can't be read now; undefined where somebody else has changed the entry since: it is theirs now. */
function textWithout(entry: Entry, back: EntryChange, deps: WorkDeps): string | undefined {
  const { file, log } = deps;
  const text = file.read();
  // Half edited, it would look as if the entry were gone.
  readConfig(at(deps, text));
  try {
    return applyChange(text, back);
  } catch (error) {
    if (!isRefused(error)) throw error;
    log.error("operator.left", { request: entry.view.id, uid: entry.view.uid, error });
    return undefined;
  }
}
