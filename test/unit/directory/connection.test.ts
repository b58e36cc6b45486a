import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { DirectorySettings } from "../../../mailserver/contract.ts";
import { createDirectory } from "../../../mailserver/directory/directory.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";

test("closing does not wait for a directory that does not answer", { timeout: 5_000 }, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const settings = DirectorySettings.parse({
    ...{ url: `ldap://127.0.0.1:${port}`, bindDn: "cn=x", password: "x", peopleDn: "ou=people" },
    timeoutMs: 60_000,
  });
  const directory = createDirectory(settings, { now: Date.now, log: silentLog });
  const asked = directory.findRecipient("alice@semail.test");
  const [socket] = (await once(server, "connection")) as [Socket];
  await directory.close();
  socket.destroy();
  await assert.rejects(asked, DirectoryUnavailable);
  server.close();
});
