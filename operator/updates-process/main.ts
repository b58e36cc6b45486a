/**
 * Makes the operator's updates, in a process that ends with them: Pulumi's Automation API takes as much memory as the
 * rest of the portal together. Ends when the operator lets go of it; what runs then is interrupted as by Ctrl-C.
 */
import Docker from "dockerode";
import { createLog } from "../../mailserver/net/log.ts";
import { messageOf } from "../../tools/bootstrap/fault.ts";
import { Refusal } from "../refusal.ts";
import { operatorContext, readOperatorSettings } from "../settings.ts";
import { stackUpdates } from "../updates.ts";
import { type Answer, Call } from "./messages.ts";

/** How long an administrator's run is waited for. */
const PATIENCE_MS = 300_000;

const ending = new AbortController();
const settings = readOperatorSettings(process.env);
const updates = stackUpdates({
  context: operatorContext(settings, process.env, ending.signal),
  stackName: settings.stack,
  docker: new Docker(),
  log: createLog({ daemon: "operator" }),
  patienceMs: PATIENCE_MS,
});

const tell = (answer: Answer): void => {
  if (process.connected) process.send?.(answer);
};

async function carryOut(id: number, asked: unknown): Promise<void> {
  const { data: call } = Call.safeParse(asked);
  switch (call?.kind) {
    case undefined:
      throw new Refusal(
        "needs-administrator",
        "The operator is of another version than its checkout. An administrator must run `npm run up` first.",
      );
    case "prepare":
      return updates.prepare();
    case "update":
      return updates.update(call.text, call.person, (progress) => tell({ id, kind: "progress", progress }));
    case "unprotect":
      return updates.unprotect(call.name);
  }
}

let running = Promise.resolve();
process.on("message", (asked: { id: number }) => {
  const { id } = asked;
  running = running
    .then(() => carryOut(id, asked))
    .then(() => tell({ id, kind: "done" }))
    .catch((error: unknown) => {
      const fault = error instanceof Refusal ? { fault: error.fault } : {};
      tell({ id, kind: "failed", message: messageOf(error), ...fault });
    });
});
process.once("disconnect", async () => {
  ending.abort(new Error("the operator ends"));
  await running;
  process.exit(0);
});
