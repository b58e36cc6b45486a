import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { bundleDaemon } from "../../../tools/bundle.ts";
import { logged, loggedTimes } from "../../support/daemon-process.ts";
import { makeIdentity, writeIdentity } from "../../support/identity.ts";
import { startLdap } from "../../support/ldap-stub.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { freePorts } from "../../support/ports.ts";
import { RawClient } from "../../support/raw-client.ts";
import { identity, run, settingsFor, tls } from "./process.ts";

describe("the daemon's process", () => {
  test("killed with a spooled message keeps it, and the next one delivers it, once", async (context) => {
    const ldap = await startLdap();
    context.after(() => ldap.close());
    const [port = 0, healthPort = 0, lmtpPort = 0] = await freePorts(3);
    const settings = {
      ...settingsFor({ port, healthPort, lmtpPort, ldapPort: ldap.port }),
      retry: { firstMs: 50 },
    };
    const first = run(settings);
    await logged(first, "daemon.ready");
    const client = await RawClient.open(port);
    await client.reply();
    await client.say("EHLO c");
    await client.say("MAIL FROM:<bob@foreign.example>");
    assert.equal(await client.say("RCPT TO:<alice@semail.test>"), "250 2.1.5");
    await client.say("DATA");
    assert.equal(await client.say("Subject: kept\r\n\r\n."), "250 2.0.0");
    await first.kill();

    const box = await listenForMail({
      listen: { host: "127.0.0.1", port: lmtpPort },
      session: { protocol: "lmtp" },
    });
    context.after(() => box.listener.close());
    const second = run(settings);
    await box.reached(1);
    await logged(second, "queue.delivered");
    second.child.kill("SIGTERM");
    assert.equal(await second.ended, 0);
    assert.deepEqual(
      box.messages.map(({ to, text }) => [to, /Subject: (.*)\r/.exec(text)?.[1]]),
      [[["alice@semail.test"], "kept"]],
    );
  });

  test("serves, is healthy, gives no TLS tickets, and ends within three seconds of SIGTERM", async () => {
    const [port = 0, healthPort = 0, ldapPort = 0] = await freePorts(3);
    const daemon = run(settingsFor({ port, healthPort, ldapPort }));
    await logged(daemon, "daemon.ready");
    assert.equal((await fetch(`http://127.0.0.1:${healthPort}/healthz`)).status, 200);
    const client = await RawClient.open(port);
    assert.equal(await client.reply(), "220");
    await client.say("STARTTLS");
    const secured = await client.secure({ ca: identity.ca, servername: "mx.semail.test" });
    assert.equal(await client.say("EHLO c"), "250");
    assert.equal(secured.getProtocol(), "TLSv1.3");
    assert.equal(secured.getTLSTicket(), undefined);
    await client.say("MAIL FROM:<bob@foreign.example>");
    // No directory listens: never 550.
    assert.equal(await client.say("RCPT TO:<alice@semail.test>"), "451 4.4.3");
    const told = performance.now();
    daemon.child.kill("SIGTERM");
    assert.equal(await daemon.ended, 0);
    assert.ok(performance.now() - told < 3_000);
    assert.equal(daemon.lines.at(-1)?.event, "daemon.stopped");
    const log = JSON.stringify(daemon.lines);
    assert.doesNotMatch(log, /SECRET|PRIVATE KEY/);
  });

  test("serves another certificate once its files have it, in every worker, and keeps the sessions that are open", async (context) => {
    const [port = 0, healthPort = 0] = await freePorts(2);
    const daemon = run({ ...settingsFor({ port, healthPort }), workers: 2 });
    await logged(daemon, "daemon.ready");
    const secured = async (ca: string): Promise<RawClient> => {
      const client = await RawClient.open(port);
      context.after(() => client.close());
      await client.reply();
      await client.say("STARTTLS");
      await client.secure({ ca, servername: "mx.semail.test" });
      return client;
    };
    const early = await secured(identity.ca);
    const renewed = await makeIdentity("mx.semail.test");
    const folder = dirname(tls.keyFile);
    context.after(() => writeIdentity(folder, identity));
    await writeIdentity(folder, renewed);
    await loggedTimes(daemon, "net.tls.reloaded", 2);
    for (const _worker of [1, 2]) {
      const late = await secured(renewed.ca);
      assert.equal(await late.say("EHLO c"), "250");
    }
    await assert.rejects(secured(identity.ca), /certificate/);
    assert.equal(await early.say("NOOP"), "250 2.0.0");
    assert.doesNotMatch(JSON.stringify(daemon.lines), /PRIVATE KEY/);
  });

  const bad: Readonly<Record<string, readonly [unknown, RegExp]>> = {
    "settings that are no JSON": ["{SECRET", /settings-\d+\.json: not valid JSON/],
    "settings with several faults": [
      {
        hostname: "UPPER",
        domains: [],
        directory: { password: ["SECRET"] },
        tls: { keyFile: "" },
        surprise: 1,
      },
      /hostname: .*domains: .*directory\.password: .*tls\.keyFile: .*relay: .*surprise/,
    ],
  };
  for (const [name, [settings, want]] of Object.entries(bad)) {
    test(`ends with one clear line for ${name}`, async () => {
      const daemon = run(settings);
      assert.equal(await daemon.ended, 1);
      assert.equal(daemon.lines.length, 1);
      const line = JSON.stringify(daemon.lines[0]);
      assert.match(line, want);
      assert.doesNotMatch(line, /SECRET/);
    });
  }

  test("says which port is taken", async (context) => {
    const blocker = createServer().listen(0, "0.0.0.0");
    context.after(() => blocker.close());
    await once(blocker, "listening");
    const [healthPort = 0] = await freePorts(1);
    const { port } = blocker.address() as { port: number };
    const daemon = run(settingsFor({ port, healthPort }));
    assert.equal(await daemon.ended, 1);
    assert.match(JSON.stringify(daemon.lines), /EADDRINUSE/);
  });
});

test("the bundle is the same bytes every time", async () => {
  const again = await bundleDaemon("mailserver/smtp-in/main.ts");
  assert.deepEqual(again, await bundleDaemon("mailserver/smtp-in/main.ts"));
});
