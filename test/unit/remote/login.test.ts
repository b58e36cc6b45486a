/** ssh is a script here that does what a test tells it to, and the time is the test's. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it, type TestContext } from "node:test";
import { type Connection, connect, logIn } from "../../../tools/remote/connection.ts";

const access = { address: "192.0.2.1", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" };
const path = process.env.PATH;
const LATE = {
  name: "Fault",
  message: /192\.0\.2\.1 answers, but the login .* after 60 s/,
  remedy: /ssh -v/,
};
const HANGS = "exec tail -f /dev/null";
const LOGS_IN = 'case "$*" in *"exec cat") exec cat ;; esac';

let folder: string;
let open: Connection[] = [];
const pids = new Set<number>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semail-t-login-"));
  process.env.PATH = `${folder}:${path}`;
});
afterEach(() => {
  for (const connection of open) connection.close();
  open = [];
  for (const pid of pids) process.kill(pid);
  pids.clear();
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

/** Writes its number down when it runs, and does then what `does` says. */
function sshDoes(does: string): void {
  const script = `#!/bin/sh\necho $$ >${folder}/pid.new\nmv ${folder}/pid.new ${folder}/pid\n${does}\n`;
  writeFileSync(join(folder, "ssh"), script, { mode: 0o755 });
}

/** The time that it is patient for is no test's: that one's timers stand still. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `not so in time: ${holds}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Settles with what `work` does once a minute has passed since its ssh runs, and not before; that ssh has ended then. */
async function afterMinute(t: TestContext, work: () => Promise<unknown>): Promise<void> {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  rmSync(join(folder, "pid"), { force: true });
  let settled = false;
  const working = work().finally(() => {
    settled = true;
  });
  working.catch(() => {});
  await until(() => existsSync(join(folder, "pid")));
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  pids.add(pid);
  t.mock.timers.tick(59_999);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(settled, false);
  t.mock.timers.tick(1);
  await until(() => settled);
  await assert.rejects(working, LATE);
  await until(() => !existsSync(`/proc/${pid}`));
  pids.delete(pid);
}

const connected = async () => {
  const connection = await connect(access, { folder: join(folder, "stack"), ports: [] });
  open.push(connection);
  return connection;
};

describe("a login that hangs after the exchange of keys", () => {
  it("ends the attempt to connect after a minute, and lets the next one try", async (t) => {
    sshDoes(HANGS);
    await afterMinute(t, connected);
    assert.ok(!readdirSync(join(folder, "stack")).includes("lock"));
    sshDoes(LOGS_IN);
    await connected();
  });

  it("ends the login that proves that one can", async (t) => {
    sshDoes(LOGS_IN);
    await connected();
    sshDoes(HANGS);
    await afterMinute(t, () => logIn(access, join(folder, "stack")));
  });

  for (const sudo of [false, true])
    it(`ends a script that doesn't begin${sudo ? ", as root" : ""}`, async (t) => {
      sshDoes(`${LOGS_IN}\n${HANGS}`);
      const connection = await connected();
      await afterMinute(t, () => connection.run("true", { sudo }));
    });
});

describe("a script on a host", () => {
  it("takes as long as it takes once it has begun", async (t) => {
    sshDoes(`${LOGS_IN}\necho "a shell's greeting"\nexec sh -s`);
    const connection = await connected();
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const [begun, go] = [join(folder, "begun"), join(folder, "go")];
    const running = connection.run(
      `: >${begun}\nwhile ! test -e ${go}; do :; done\necho "grüße"\necho why >&2\nexit 3\n`,
    );
    await until(() => existsSync(begun));
    // What it said first is on its way.
    for (let turn = 0; turn < 1_000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(3_600_000);
    writeFileSync(go, "");
    assert.deepEqual(await running, { code: 3, stdout: "grüße\n", stderr: "why\n" });
  });

  it("that a shell refuses says so", async () => {
    sshDoes(`${LOGS_IN}\necho "sudo: a password is required" >&2\nexit 1`);
    const connection = await connected();
    assert.deepEqual(await connection.run("true", { sudo: true }), {
      ...{ code: 1, stdout: "", stderr: "sudo: a password is required\n" },
    });
  });

  it("ends with who asked for it", async () => {
    sshDoes(`${LOGS_IN}\n${HANGS}`);
    const asked = new AbortController();
    const connection = await connect(access, {
      ...{ folder: join(folder, "stack"), ports: [], signal: asked.signal },
    });
    open.push(connection);
    const running = connection.run("true");
    asked.abort();
    await assert.rejects(running, { name: "AbortError" });
  });
});
