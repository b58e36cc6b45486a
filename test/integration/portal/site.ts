/** The portal over HTTPS in this process, with an operator and a directory that live in memory. */
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../../mailserver/net/log.ts";
import { isOver, type RequestView, STEPS } from "../../../mailserver/operator/protocol.ts";
import { startPortal } from "../../../mailserver/portal/daemon.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { makeIdentity } from "../../support/identity.ts";
import {
  memoryOperator,
  memoryPeople,
  person,
  portalSettings,
  relayTo,
  type SentMail,
  testDns,
} from "../../support/portal.ts";

/** One for each state that a mailbox may be in. */
const people = () => [
  person("alice", {
    name: "Alice Martin",
    aliases: ["news@example.org", "a.very-long-name-for-an-alias@example.org"],
    forward: "alice@elsewhere.example",
  }),
  person("bob", { name: "Bob Durand", state: "none", addresses: [] }),
  person("carol", {
    ...{ name: "Carol Petit", state: "deleted" },
    ...{ deletedOn: "2026-01-02", keptUntil: "2099-02-01" },
  }),
];

/** How far a request is; the first `done` steps are. */
export interface Progress {
  readonly state: RequestView["state"];
  readonly done: number;
}

/** Follows a request as the operator does: each time it changes, until it is over. */
function movingOperator() {
  const operator = memoryOperator(people());
  const changes = new EventEmitter();
  const move = (id: string, { state, done }: Progress) => {
    const view = operator.requests.get(id);
    if (!view) throw new Error(`no request ${id}`);
    const next = state === "failed" ? "failed" : "running";
    const steps = STEPS.map((name, at) => ({
      name,
      state:
        at < done ? ("done" as const) : at === done ? (next as "failed" | "running") : ("waiting" as const),
    }));
    operator.requests.set(id, { ...view, state, steps });
    changes.emit(id);
  };
  const client = {
    ...operator.client,
    submit: async (wanted: Parameters<typeof operator.client.submit>[0]) => {
      const id = await operator.client.submit(wanted);
      move(id, { state: "running", done: 1 });
      return id;
    },
    async *events(id: string, signal?: AbortSignal) {
      for (;;) {
        const view = await operator.client.request(id);
        yield view;
        if (isOver(view)) return;
        await once(changes, id, signal ? { signal } : {});
      }
    },
  };
  return { ...operator, client, move };
}

export async function startSite() {
  const folder = await mkdtemp(join(tmpdir(), "semail-portal-"));
  const operator = movingOperator();
  const directory = memoryPeople([...operator.byUid.keys()]);
  const settings = await portalSettings(folder, await makeIdentity("localhost"));
  const mails: SentMail[] = [];
  const relay = { down: false };
  let tokens = 0;
  const portal = await startPortal(settings, {
    ...{ log: silentLog, clock: systemClock, dns: testDns, loginStepMs: 1 },
    newToken: () => `token-${++tokens}`,
    directory: { ...directory.accounts, close: async () => {} },
    operator: operator.client,
    connections: relayTo(mails, relay),
  });
  return {
    ...{ operator, directory, mails, relay },
    port: portal.port,
    close: async () => {
      await portal.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
export type Site = Awaited<ReturnType<typeof startSite>>;
