/** The operator: reads its settings, goes on with what the last run left, listens, ends on SIGTERM. */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "../mailserver/net/log.ts";
import { type Daemon, type Ending, runDaemon } from "../mailserver/net/run-daemon.ts";
import { syncFolder } from "../mailserver/queue/sync-folder.ts";
import { stateFolder } from "../tools/bootstrap/context.ts";
import { openStack, soonerStart } from "../tools/bootstrap/stack.ts";
import { engineBoxes } from "./boxes.ts";
import { engineAt } from "./engine-client.ts";
import { openRepository } from "./git.ts";
import { openJournal, writeDurably } from "./journal.ts";
import { Operator } from "./operator.ts";
import { Refusal } from "./refusal.ts";
import { listen, routes } from "./server.ts";
import { operatorContext, readOperatorSettings } from "./settings.ts";
import { updatesProcess } from "./updates-process/parent.ts";
import type { StackFile } from "./work.ts";

/** Between the steps of a request, and a little for the next. */
const UPDATES_IDLE_MS = 5_000;
/** While somebody chooses an address. */
const PREPARED_MS = 60_000;

function stackFile(root: string, name: string, project: string): StackFile {
  const path = join(root, name);
  return {
    name,
    project,
    read: () => {
      try {
        return readFileSync(path, "utf8");
      } catch (cause) {
        throw new Refusal("config-unreadable", `${name} can't be read; an administrator must put it right.`, {
          cause,
        });
      }
    },
    write: (text) => {
      if (readFileSync(path, "utf8") === text) return;
      writeDurably(path, text, statSync(path).mode & 0o777);
      syncFolder(dirname(path));
    },
  };
}

const log = createLog({ daemon: "operator" });

async function start({ signal: ending }: Ending): Promise<Daemon> {
  const settings = readOperatorSettings(process.env);
  const { root, stack } = settings;
  const context = operatorContext(settings, process.env, ending);
  const { committed, project, prefix, name } = openStack(context, stack);
  const operator = new Operator({
    file: stackFile(root, committed.name, project),
    updates: updatesProcess({
      entry: join(root, "operator/updates-process/main.ts"),
      env: { ...process.env, ...soonerStart(process.env, root) },
      ending,
      idleMs: UPDATES_IDLE_MS,
      preparedMs: PREPARED_MS,
    }),
    boxes: engineBoxes(engineAt(), prefix),
    repository: () => openRepository(root, committed.name, process.env),
    journal: openJournal(stateFolder(root, "operator", name)),
    now: Date.now,
    newId: () => randomBytes(16).toString("hex"),
    wait: (ms) => sleep(ms, undefined, { signal: ending }),
    ending,
    log,
  });
  const server = await listen(routes(operator, { log, ending }), settings.socket);
  operator.recover();
  return {
    ready: {},
    close: async () => {
      await server.close();
      await operator.idle();
    },
  };
}

await runDaemon(log, start, (code) => process.exit(code));
