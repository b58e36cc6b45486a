/** A worker process of smtp-in: serves sessions, has a spool of its own, ends when its primary says so or is gone. */
import { randomBytes } from "node:crypto";
import { SmtpInSettings } from "../contract.ts";
import { deskSocket } from "../desk/ask.ts";
import { serveDesk } from "../desk/serve.ts";
import { sumCounts } from "../desk/words.ts";
import { snapshot } from "../metrics/exposition.ts";
import { createMeter } from "../metrics/meter.ts";
import { createLog } from "../net/log.ts";
import { readSettings } from "../net/settings.ts";
import { systemTiming } from "../net/timing.ts";
import { systemClock } from "../queue/clock.ts";
import { createItemIds } from "../queue/item-id.ts";
import { type FromPrimary, TURNS } from "../workers/messages.ts";
import { primaryLine } from "../workers/processes.ts";
import { RemoteCounts } from "../workers/remote-counts.ts";
import { RemoteTurns } from "../workers/remote-turns.ts";
import { type SmtpIn, startSmtpIn } from "./daemon.ts";
import type { ProcessDeps } from "./primary.ts";
import { orphanedShards, ownShard } from "./shards.ts";

export interface WorkerDeps extends ProcessDeps {
  /** Its number among the workers, from 1. */
  readonly slot: number;
  readonly queueWorker: URL;
  /** Where the workers answer questions about their queues. */
  readonly deskFolder: string;
}

export async function runWorker({
  slot,
  queueWorker,
  deskFolder,
  settingsFile,
  exit,
}: WorkerDeps): Promise<void> {
  const meter = createMeter(slot);
  const log = meter.metered(createLog({ daemon: "smtp-in", worker: slot }));
  // The primary speaks for the workers: a signal to the whole group must not cut their transactions.
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => {});
  const line = primaryLine(() => exit(1));
  const counts = new RemoteCounts(line.send);
  const turns = new RemoteTurns({ send: line.send, timing: systemTiming });
  const daemon = Promise.withResolvers<SmtpIn>();
  line.onMessage((message) => {
    // What a question finds out of order must not end the process with all its sessions.
    hear(message).catch((error: unknown) => log.error("worker.failed", { error }));
  });

  async function hear(message: FromPrimary): Promise<void> {
    if (message.kind === "ping") return line.send({ kind: "alive" });
    if (message.kind === "answer") return counts.answered(message);
    if (message.kind === "turn") return turns.given(message.host);
    if (message.kind === "measure") {
      return line.send({ ...message, kind: "metrics", metrics: await snapshot(meter.registry) });
    }
    const running = await daemon.promise;
    if (message.kind === "boxBack") return running.boxBack(message.host);
    await running.close();
    exit(0);
  }

  try {
    const settings = await readSettings(SmtpInSettings, settingsFile);
    const { queueDir, workers } = settings;
    const started = await startSmtpIn(
      { ...settings, queueDir: ownShard(queueDir, slot) },
      {
        log,
        clock: systemClock,
        random: Math.random,
        newId: createItemIds({ now: systemClock.now, tag: randomBytes(4).toString("hex") }),
        queueWorker,
        counts,
        sharedPort: true,
        // Each has one delivery into a box at a time: so few can't come into each other's way.
        ...(workers > TURNS ? { turns } : {}),
        adopt: orphanedShards(queueDir, slot, workers),
        onBoxBack: (host) => line.send({ kind: "boxBack", host }),
      },
    );
    const { queues } = started;
    meter.watchRoom(started.room);
    const census = async () => sumCounts(await Promise.all(queues.map((queue) => queue.census())));
    meter.watchQueue(census, systemClock.now);
    await serveDesk({ path: deskSocket(deskFolder, `worker-${slot}`), queues, clock: systemClock, log });
    line.send({ kind: "ready", port: started.port });
    daemon.resolve(started);
    await started.failed;
  } catch (error) {
    line.send({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
    log.error("daemon.failed", { error });
    exit(1);
  }
}
