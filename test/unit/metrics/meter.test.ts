import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { COUNTERS, GAUGES, TIMES } from "../../../mailserver/metrics/catalog.ts";
import { exposition, snapshot } from "../../../mailserver/metrics/exposition.ts";
import { createMeter } from "../../../mailserver/metrics/meter.ts";
import type { Log } from "../../../mailserver/net/log.ts";
import { silentLog } from "../../../mailserver/net/log.ts";

/** The page's lines of our own metrics. */
async function page(
  tell: (log: Log) => void,
  processes: readonly (number | undefined)[] = [undefined],
): Promise<string[]> {
  const snapshots = [];
  for (const worker of processes) {
    const meter = createMeter(worker);
    tell(meter.metered(silentLog));
    snapshots.push(await snapshot(meter.registry));
  }
  return (await exposition(snapshots)).split("\n").filter((line) => line.startsWith("semail_"));
}

const recipients = ["a@semail.test", "b@semail.test"];

const CASES: Readonly<Record<string, readonly [(log: Log) => void, readonly string[]]>> = {
  "every event, by its code": [
    (log) => {
      log.warn("lmtp.unreachable", { host: "box-a" });
      log.info("lmtp.unreachable", { host: "box-b" });
    },
    ['semail_events_total{event="lmtp.unreachable"} 2'],
  ],
  "sessions that are open": [
    (log) => {
      for (let count = 0; count < 3; count += 1) log.info("smtp.session.open");
      log.info("smtp.session.close");
    },
    ["semail_sessions 2"],
  ],
  "refusals by code and status": [
    (log) => log.info("smtp.command.refused", { code: 550, enhanced: "5.1.1" }),
    ['semail_refusals_total{code="550",status="5.1.1"} 1'],
  ],
  "messages with their recipients, bytes and time": [
    (log) => log.info("smtp.message.accepted", { recipients, bytes: 4_096, ms: 30 }),
    [
      'semail_recipients_total{outcome="accepted"} 2',
      "semail_message_bytes_total 4096",
      'semail_message_seconds_bucket{le="0.025",outcome="accepted"} 0',
      'semail_message_seconds_bucket{le="0.05",outcome="accepted"} 1',
    ],
  ],
  "workers that had to be replaced, from nothing": [
    (log) => {
      log.info("worker.started", { worker: 1 });
      log.info("worker.started", { worker: 2 });
      for (let count = 0; count < 2; count += 1) log.error("worker.ended", { worker: 2 });
    },
    ['semail_worker_restarts_total{worker="1"} 0', 'semail_worker_restarts_total{worker="2"} 2'],
  ],
  "the end of the certificate that is served": [
    (log) => {
      for (const [event, notAfter] of [
        ["net.tls.loaded", "2026-01-01T00:00:00.000Z"],
        ["net.tls.reloaded", "2026-04-01T00:00:00.000Z"],
      ] as const) {
        log.info(event, { certificateFile: "/settings/tls.crt", notAfter });
      }
    },
    ['semail_certificate_expires_seconds{file="/settings/tls.crt"} 1775001600'],
  ],
  "questions to the directory by what was asked, and whether it answered": [
    (log) => {
      log.debug("directory.asked", { operation: "search", outcome: "answered", ms: 3 });
      log.debug("directory.asked", { operation: "bind", outcome: "failed", ms: 5_000 });
    },
    [
      'semail_directory_seconds_bucket{le="0.005",operation="search",outcome="answered"} 1',
      'semail_directory_seconds_sum{operation="bind",outcome="failed"} 5',
    ],
  ],
  "deliveries by what became of them": [
    (log) => {
      log.info("lmtp.delivered", { ms: 8 });
      log.warn("lmtp.refused", { ms: 2_000 });
    },
    ['semail_delivery_seconds_count{outcome="taken"} 1', 'semail_delivery_seconds_sum{outcome="refused"} 2'],
  ],
};

describe("metrics tell of", () => {
  for (const [what, [tell, want]] of Object.entries(CASES)) {
    test(what, async () => {
      const lines = await page(tell);
      for (const line of want) assert.ok(lines.includes(line), `${line}\nis not among\n${lines.join("\n")}`);
    });
  }

  test("each worker apart, and of the process that has no number", async () => {
    const lines = await page((log) => log.info("smtp.session.open"), [undefined, 1, 2]);
    for (const line of [
      "semail_sessions 1",
      'semail_sessions{worker="1"} 1',
      'semail_sessions{worker="2"} 1',
    ]) {
      assert.ok(lines.includes(line), lines.join("\n"));
    }
  });

  test("the queue and the workers as they are when they are read", async () => {
    const meter = createMeter();
    let items = 0;
    const census = async () => ({ items, deferred: 3, held: 2, unreadable: 1, oldest: 4_000 });
    meter.watchQueue(census, () => 9_500);
    meter.watchWorkers(() => ({ serving: 2 }));
    items = 7;
    const text = await exposition([await snapshot(meter.registry)]);
    for (const line of [
      "semail_queue_items 7",
      "semail_queue_deferred 3",
      "semail_queue_held 2",
      "semail_queue_age_seconds 5.5",
      "semail_queue_unreadable 1",
      "semail_workers_serving 2",
    ]) {
      assert.match(text, new RegExp(`^${line}$`, "m"));
    }
  });

  test("nothing of a queue that does not answer, and of one that does again", async () => {
    const meter = createMeter();
    let answers = true;
    const found = { items: 7, deferred: 0, held: 0, unreadable: 0 };
    meter.watchQueue(
      async () => (answers ? found : Promise.reject(new Error("locked"))),
      () => 0,
    );
    const page = async (): Promise<string> => exposition([await snapshot(meter.registry)]);
    assert.match(await page(), /^semail_queue_items 7$/m);
    answers = false;
    assert.doesNotMatch(await page(), /^semail_queue_(items|held|age_seconds) /m);
    assert.match(await page(), /^semail_sessions 0$/m);
    answers = true;
    assert.match(await page(), /^semail_queue_items 7$/m);
  });

  test("the room for messages as it is when it is read, and nothing of it where there is none", async () => {
    const meter = createMeter();
    const page = async (): Promise<string> => exposition([await snapshot(meter.registry)]);
    assert.doesNotMatch(await page(), /semail_room/);
    const room = { held: 5, sizes: { all: 10 } };
    meter.watchRoom(room);
    assert.match(await page(), /^semail_room_bytes 10$/m);
    assert.match(await page(), /^semail_room_held_bytes 5$/m);
    room.held = 0;
    assert.match(await page(), /^semail_room_held_bytes 0$/m);
  });

  test("the disk of the queue as it is when it is read, and nothing where there is none", async () => {
    const read = async (folder: string): Promise<(name: string) => number> => {
      const meter = createMeter();
      meter.watchDisk(folder);
      const text = await exposition([await snapshot(meter.registry)]);
      return (name) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    };
    const disk = await read(import.meta.dirname);
    const { blocks, bsize } = statfsSync(import.meta.dirname);
    assert.equal(disk("semail_disk_bytes"), blocks * bsize);
    assert.ok(disk("semail_disk_free_bytes") > 0);
    assert.ok(disk("semail_disk_free_bytes") < blocks * bsize);
    const missing = await read(join(import.meta.dirname, "missing"));
    assert.equal(missing("semail_disk_bytes"), Number.NaN);
    assert.equal(missing("semail_disk_free_bytes"), Number.NaN);
  });

  test("nothing under a name that the catalog lacks", async () => {
    const lines = await page((log) => log.info("daemon.ready"));
    const known = new Set<string>([...Object.keys(COUNTERS), ...Object.keys(TIMES), ...Object.keys(GAUGES)]);
    for (const line of lines) {
      const name = /^[a-z_]+/.exec(line)?.[0] ?? "";
      assert.ok(known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, "")), name);
    }
  });
});
