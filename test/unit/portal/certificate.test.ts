import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { silentLog } from "../../../mailserver/net/log.ts";
import { startPortal } from "../../../mailserver/portal/daemon.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { makeIdentity, writeIdentity } from "../../support/identity.ts";
import { memoryOperator, memoryPeople, portalSettings, testDns } from "../../support/portal.ts";
import { temporaryFolder } from "../../support/queue.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  folder = await temporaryFolder();
});
after(() => folder[Symbol.asyncDispose]());

/** A connection that stays open, and asks for a page. */
async function browser(port: number) {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const shown = (socket as TLSSocket).getPeerX509Certificate()?.fingerprint256;
  const get = async (): Promise<string> => {
    socket.write("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const [answer] = await once(socket, "data");
    return String(answer).split("\r\n")[0] ?? "";
  };
  return { socket, shown, get };
}

test("the portal serves another certificate from now on, and ends no connection for it", async () => {
  const [first, second] = await Promise.all([makeIdentity("portal.test"), makeIdentity("portal.test")]);
  const clock = new FakeClock(Date.now());
  const settings = await portalSettings(folder.path, first);
  const portal = await startPortal(settings, {
    ...{ log: silentLog, clock, newToken: () => "token", dns: testDns },
    operator: memoryOperator([]).client,
    directory: { ...memoryPeople([]).accounts, close: async () => {} },
  });
  const old = await browser(portal.port);
  assert.match(await old.get(), /^HTTP\/1\.1 303/);
  await writeIdentity(folder.path, second);
  const looked = clock.nextTimer();
  await clock.jump();
  await looked;
  const next = await browser(portal.port);
  assert.notEqual(next.shown, old.shown);
  assert.match(await old.get(), /^HTTP\/1\.1 303/);
  for (const { socket } of [old, next]) socket.destroy();
  await portal.close();
});
