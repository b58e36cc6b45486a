/** A directory that is asked for its age and doesn't answer. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import Docker from "dockerode";
import { directoryMade } from "../../../tools/bootstrap/backup/directory.ts";

test("an engine that never answers holds nobody up for longer than the limit", {
  timeout: 20_000,
}, async (t) => {
  const server = createServer(() => {});
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const docker = new Docker({ host: "127.0.0.1", port, protocol: "http" });
  const place = { docker, prefix: "p", signal: new AbortController().signal };
  await assert.rejects(directoryMade(place, 100), /directory has not answered within 0\.1 s/);
});
