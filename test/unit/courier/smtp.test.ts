import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { createSmtpCourier } from "../../../mailserver/courier/smtp.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { fakeDns } from "../../support/fake-dns.ts";

test("a host that keeps a connection for ever is left after the attempt's time, and the mail waits", {
  timeout: 10_000,
}, async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on("error", () => {}).write("220 mx.one.test ESMTP\r\n");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const courier = createSmtpCourier({
    dns: fakeDns({ "one.test": { a: ["127.0.0.1", "127.0.0.2"] } }),
    random: () => 0,
    ownNames: [],
    hostname: "smtp.semail.test",
    port: (server.address() as AddressInfo).port,
    mayReach: () => true,
    log: silentLog,
    attemptMs: 200,
  });
  const delivery = {
    from: null,
    recipients: [makeAddress("bob", "one.test")],
    body: Buffer.from("\r\n"),
    eightBit: false,
    smtputf8: false,
  };
  const [result] = await courier("one.test", delivery, new AbortController().signal);
  server.close();
  assert.equal(result?.kind, "temporary");
  assert.equal(connections, 1);
});
