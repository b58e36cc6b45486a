import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";

const SOURCES = new URL("../../../mailserver/net/", import.meta.url);

/** The signal is sent when the daemon says `at`. */
const cases = [
  {
    name: "that is told to end cuts short what it does, closes and ends with 0",
    start: `async ({ signal }) => ({ ready: { port: 25 }, close: async () => log.info("closed", { aborted: signal.aborted }) })`,
    signal: "SIGTERM",
    at: "daemon.ready",
    says: ["daemon.ready", "daemon.stopping", "closed", "daemon.stopped"],
    code: 0,
  },
  {
    name: "may be told by SIGINT",
    start: `async () => ({ ready: {}, close: async () => undefined })`,
    signal: "SIGINT",
    at: "daemon.ready",
    says: ["daemon.ready", "daemon.stopping", "daemon.stopped"],
    code: 0,
  },
  {
    name: "that is told while it starts is up before it ends",
    start: `async ({ asked, signal }) => {
      log.info("starting");
      await asked;
      log.info("told", { aborted: signal.aborted });
      return { ready: undefined, close: async () => undefined };
    }`,
    signal: "SIGTERM",
    at: "starting",
    says: ["starting", "told", "daemon.stopping", "daemon.stopped"],
    code: 0,
  },
  {
    name: "that can't start says why and ends with 1",
    start: `async () => { throw new Error("port 25 is taken"); }`,
    says: ["daemon.failed"],
    code: 1,
  },
  {
    name: "that can't go on says why and ends with 1",
    start: `async () => ({ ready: {}, failed: Promise.reject(new Error("disk gone")), close: async () => undefined })`,
    says: ["daemon.ready", "daemon.failed"],
    code: 1,
  },
] as const;

for (const { name, start, says, code, ...told } of cases) {
  test(`a daemon ${name}`, async () => {
    const program = `
      import { createLog } from "${SOURCES}log.ts";
      import { runDaemon } from "${SOURCES}run-daemon.ts";
      setInterval(() => undefined, 1_000);
      const log = createLog({ daemon: "test" });
      await runDaemon(log, ${start}, (code) => process.exit(code));`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const lines: { event: string; aborted?: boolean }[] = [];
    for await (const line of createInterface(child.stdout)) {
      const said = JSON.parse(line);
      lines.push(said);
      if ("at" in told && said.event === told.at) child.kill(told.signal);
    }
    assert.equal(await ended, code);
    assert.deepEqual(
      lines.map(({ event }) => event),
      says,
    );
    assert.equal(lines.find(({ event }) => event === "closed")?.aborted ?? true, true);
    assert.equal(lines.find(({ event }) => event === "told")?.aborted ?? false, false);
  });
}
