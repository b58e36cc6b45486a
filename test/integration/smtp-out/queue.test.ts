/** `queue …` as a person types it in a container, asked of daemons that run as processes. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createTransport } from "nodemailer";
import { DeskAnswer } from "../../../mailserver/desk/words.ts";
import { bundleDaemon } from "../../../tools/bundle.ts";
import {
  type Daemon,
  killGroup,
  logged,
  loggedTimes,
  runQueueCommand,
  spawnDaemon,
} from "../../support/daemon-process.ts";
import { makeIdentity, writeIdentity } from "../../support/identity.ts";
import { freePorts } from "../../support/ports.ts";
import { temporaryFolder } from "../../support/queue.ts";
import { RELAY } from "./setup.ts";

/** A daemon with the settings of both, before a directory and resolvers that nobody answers for. */
async function startDaemon(name: "smtp-in" | "smtp-out") {
  const folder = await temporaryFolder();
  const [port = 0, submissionPort, submissionsPort, relayPort = 0, healthPort] = await freePorts(5);
  const ldap = {
    url: "ldap://127.0.0.1:1",
    bindDn: "cn=x",
    password: "directory-secret",
    peopleDn: "ou=people",
  };
  const settings = {
    ...{ hostname: "mail.semail.test", domains: ["semail.test"], directory: ldap, healthPort },
    tls: await writeIdentity(folder.path, await makeIdentity("mail.semail.test")),
    queueDir: join(folder.path, "queue"),
    ...(name === "smtp-in"
      ? { port, workers: 2, relay: { host: "127.0.0.1", port: 1, ...RELAY } }
      : { submissionPort, submissionsPort, relayPort, relay: RELAY, resolvers: ["127.0.0.1:1"] }),
  };
  const bundle = join(folder.path, "main.mjs");
  const file = join(folder.path, "settings.json");
  await writeFile(bundle, await bundleDaemon(`mailserver/${name}/main.ts`));
  await writeFile(file, JSON.stringify(settings));
  const daemon = spawnDaemon(bundle, file, folder.path);
  await logged(daemon, "daemon.ready");
  return {
    ...{ daemon, relayPort, healthPort },
    queue: (...words: string[]) => runQueueCommand(bundle, file, words),
    [Symbol.asyncDispose]: async () => {
      killGroup(daemon.child);
      await daemon.ended;
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function send(port: number, to: string[], daemon: Daemon, deferred: number): Promise<void> {
  const transport = createTransport({
    ...{ host: "127.0.0.1", port, ignoreTLS: true },
    auth: { user: RELAY.user, pass: RELAY.password },
  });
  await transport.sendMail({ from: "eve@evil.test", to, subject: "private words", text: "more of them" });
  await loggedTimes(daemon, "queue.deferred", deferred);
}

test("a message that waits is listed, shown, held, released, retried and dropped", async () => {
  await using stage = await startDaemon("smtp-out");
  const { daemon, queue, relayPort } = stage;
  await send(relayPort, ["bob@one.test", "kim@two.test"], daemon, 2);

  const list = await queue("list");
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, /bob@one\.test {2}pending, 1 attempt, next in \d+ min: 4\d\d 4\./);
  assert.match(list.out, /1 item in all, 1 deferred, 0 held, 0 set aside/);
  const [item] = DeskAnswer.parse(JSON.parse((await queue("list", "--json")).out)).items;
  assert.ok(item);

  const shown = await queue("show", item.id);
  assert.match(shown.out, /kim@two\.test goes to mx:two\.test/);
  assert.doesNotMatch(`${list.out}${shown.out}`, /private words|more of them/);

  const there = await queue("restore", item.id);
  assert.equal(there.code, 1);
  assert.match(there.err, /No item .* was set aside/);

  assert.match((await queue("hold", item.id)).out, /is held.*\(2 recipients\)/);
  assert.match((await queue("retry", item.id)).out, /nobody who waits/);
  assert.match((await queue("list", "--state", "held")).out, /kim@two\.test {2}held/);
  assert.match(
    await (await fetch(`http://127.0.0.1:${stage.healthPort}/metrics`)).text(),
    /^semail_queue_held 1$/m,
  );
  assert.match((await queue("release", item.id)).out, /is released and tried now/);
  await loggedTimes(daemon, "queue.deferred", 4);
  assert.match((await queue("retry", item.id)).out, /is tried now/);
  await loggedTimes(daemon, "queue.deferred", 6);
  assert.match((await queue("flush")).out, /2 recipients made due now/);
  await loggedTimes(daemon, "queue.deferred", 8);

  assert.match((await queue("drop", item.id)).out, /dropped/);
  const gone = await queue("show", item.id);
  assert.equal(gone.code, 1);
  assert.match(gone.err, /There is no item .*`queue list`/);
  const nonsense = await queue("delete", item.id);
  assert.equal(nonsense.code, 2);
  assert.match(nonsense.err, /no `queue delete`/);
});

test("every worker of smtp-in answers, and one that is gone is named", async () => {
  await using stage = await startDaemon("smtp-in");
  const list = await stage.queue("list");
  assert.equal(list.code, 0, list.err);
  assert.equal(list.out, "0 items in all, 0 deferred, 0 held, 0 set aside.\n");
  await stage.daemon.kill();
  const silent = await stage.queue("list");
  assert.equal(silent.code, 1);
  assert.match(silent.err, /"worker-1" does not answer.*\n.*"worker-2" does not answer/);
});
