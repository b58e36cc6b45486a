import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { serveHealth } from "../../../mailserver/net/health.ts";
import { createLog } from "../../../mailserver/net/log.ts";
import { readSettings, SettingsError } from "../../../mailserver/net/settings.ts";
import { SmtpError } from "../../../mailserver/smtp/error.ts";
import { authFailed } from "../../../mailserver/smtp/replies.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { RawClient } from "../../support/raw-client.ts";

/** A log that keeps its lines. */
function keepingLog(level: "debug" | "info" = "debug") {
  const lines: string[] = [];
  const log = createLog({ daemon: "test", level, destination: { write: (line) => void lines.push(line) } });
  return { log, lines };
}

describe("the log", () => {
  test("is JSON with daemon, time, level and event code", () => {
    const { log, lines } = keepingLog("info");
    log.debug("daemon.ready");
    log.info("daemon.ready", { port: 25 });
    assert.equal(lines.length, 1);
    const { time, ...rest } = JSON.parse(lines[0] ?? "");
    assert.match(time, /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(rest, { level: "info", daemon: "test", event: "daemon.ready", port: 25 });
  });

  const secrets: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    "at the top": { password: "hunter2" },
    "one level down": { auth: { user: "alice", password: "hunter2" } },
    "two levels down": { settings: { relay: { password: "hunter2", key: "hunter2" } } },
    "a message": { body: "hunter2", content: "hunter2" },
  };
  for (const [name, fields] of Object.entries(secrets)) {
    test(`redacts secrets ${name}`, () => {
      const { log, lines } = keepingLog();
      log.error("daemon.failed", fields);
      assert.doesNotMatch(lines.join(""), /hunter2/);
      assert.match(lines.join(""), /\[redacted\]/);
    });
  }

  test("takes nothing out of what has no secret name, whatever its shape", () => {
    const { log, lines } = keepingLog();
    const fields = { list: ["a", { to: "b" }], none: null, absent: undefined, deep: { one: { two: 2 } } };
    log.info("daemon.ready", fields);
    const { list, none, deep } = JSON.parse(lines[0] ?? "");
    assert.deepEqual(
      { list, none, deep },
      { list: ["a", { to: "b" }], none: null, deep: { one: { two: 2 } } },
    );
  });

  for (const [end, script] of Object.entries({
    "by itself": "process.exit(3)",
    "by an error": "throw new Error('a bug')",
    "when nothing is left to do": "",
  })) {
    test(`a process that ends ${end} has written all that it logged`, () => {
      const module = new URL("../../../mailserver/net/log.ts", import.meta.url);
      const source = `import { createLog } from ${JSON.stringify(module.href)};
        const log = createLog({ daemon: "test" });
        for (let port = 0; port < 2_000; port += 1) log.info("daemon.ready", { port, pad: "x".repeat(100) });
        ${script}`;
      const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", source]);
      const ports = String(stdout)
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).port);
      assert.deepEqual(
        ports,
        Array.from({ length: 2_000 }, (_, port) => port),
      );
    });
  }

  test("shows an error with its cause and without its stack", () => {
    const { log, lines } = keepingLog();
    log.error("daemon.failed", { error: new SmtpError(authFailed, new Error("LDAP said 49")) });
    assert.match(lines[0] ?? "", /"cause":\{"name":"Error","message":"LDAP said 49"\}/);
    assert.doesNotMatch(lines[0] ?? "", /"stack"|at .*\.ts:/);
  });
});

test("a whole session in the debug log shows addresses, and no credential nor content", async (context) => {
  const { log, lines } = keepingLog();
  const identity: Identity = await makeIdentity("mx.semail.test");
  const to = await listenForMail({
    log,
    tls: identity,
    session: { auth: "tls" },
    policy: {
      auth: ({ user, password }) =>
        password === "PASSWORD-1" ? { kind: "authenticated", user } : { kind: "refuse", reply: authFailed },
    },
  });
  const client = await RawClient.open(to.listener.port);
  context.after(() => Promise.all([client.close(), to.listener.close()]));
  await client.reply();
  await client.say("STARTTLS");
  await client.secure({ ca: identity.ca });
  await client.say("EHLO c");
  const login = (user: string, password: string) => Buffer.from(`\0${user}\0${password}`).toString("base64");
  assert.equal(await client.say(`AUTH PLAIN ${login("PASSWORD-2", "PASSWORD-2")}`), "535 5.7.8");
  assert.equal(await client.say(`AUTH PLAIN ${login("alice", "PASSWORD-1")}`), "235 2.7.0");
  await client.say("MAIL FROM:<alice@semail.test>");
  await client.say("RCPT TO:<bob@foreign.example>");
  await client.say("DATA");
  client.write("Subject: CONTENT\r\n\r\nCONTENT\r\n.\r\n");
  assert.equal(await client.reply(), "250 2.0.0");
  await client.say("QUIT");
  await to.listener.close();
  const text = lines.join("");
  for (const event of [
    "session.open",
    "session.tls",
    "auth.failed",
    "auth.ok",
    "message.accepted",
    "session.close",
  ]) {
    assert.match(text, new RegExp(`"smtp.${event}"`));
  }
  assert.match(text, /bob@foreign\.example/);
  assert.match(text, /"user":"alice"/);
  assert.doesNotMatch(text, /PASSWORD|CONTENT|UEFTU1dPUkQ/);
});

describe("settings", () => {
  const folder = mkdtempSync(join(tmpdir(), "semail-settings-"));
  after(() => rmSync(folder, { recursive: true }));
  const schema = z.strictObject({
    port: z.int(),
    list: z.array(z.strictObject({ name: z.string() })).default([]),
  });
  const file = (text: string): string => {
    const path = join(folder, `${Math.random()}.json`);
    writeFileSync(path, text);
    return path;
  };

  test("are read, with defaults", async () => {
    assert.deepEqual(await readSettings(schema, file('{"port": 25}')), { port: 25, list: [] });
  });

  const faults: Readonly<Record<string, readonly [string, RegExp]>> = {
    "every bad path": [
      '{"port": "SECRET", "list": [{"name": 1}], "x": 1}',
      /port: .*; list\.0\.name: .*; \(top\): .*"x"/,
    ],
    "no JSON": ["SECRET", /not valid JSON/],
    "no object": ["[]", /\(top\): /],
  };
  for (const [name, [text, want]] of Object.entries(faults)) {
    test(`that are wrong are refused in one line without values: ${name}`, async () => {
      await assert.rejects(readSettings(schema, file(text)), (error: unknown) => {
        assert.ok(error instanceof SettingsError);
        assert.match(error.message, want);
        assert.doesNotMatch(error.message, /SECRET|\n/);
        return true;
      });
    });
  }

  test("that are missing are named", async () => {
    await assert.rejects(
      readSettings(schema, join(folder, "none.json")),
      /can't read the settings: .*none\.json/,
    );
  });
});

test("health is 200 while healthy, else 503, and only at its path", async () => {
  let healthy = true;
  const health = await serveHealth({ port: 0, healthy: () => healthy });
  const status = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${health.port}${path}`)).status;
  assert.equal(await status("/healthz"), 200);
  assert.equal(await status("/"), 404);
  healthy = false;
  assert.equal(await status("/healthz"), 503);
  await health.close();
  await assert.rejects(status("/healthz"));
});
