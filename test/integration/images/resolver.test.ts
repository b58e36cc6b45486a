import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { type Handle, openLab } from "../../support/docker.ts";
import { healthy } from "./images.ts";

const lab = openLab();
after(() => lab.cleanup());

/** An authoritative server for the test: unbound with nothing but local data. */
const AUTHORITY = `server:
  username: ""
  chroot: ""
  directory: "/run"
  pidfile: ""
  use-syslog: no
  interface: 0.0.0.0
  access-control: 0.0.0.0/0 allow
  local-zone: "test." static
  local-data: "semail.test. 60 MX 10 mail.semail.test."
  local-data: "mail.semail.test. 60 A 192.0.2.7"
`;

describe("resolver", () => {
  let resolver: Handle;
  let dns: Resolver;
  let network: string;
  let stub: string;

  const client = async (handle: Handle) => {
    const made = new Resolver({ timeout: 10_000, tries: 1 });
    made.setServers([`127.0.0.1:${await handle.port("53/udp")}`]);
    return made;
  };

  before(async () => {
    network = await lab.network();
    const authority = await healthy(lab, "resolver", {
      networks: { [network]: [] },
      settings: { "unbound.conf": AUTHORITY },
      entrypoint: ["unbound", "-d", "-c", "/settings/unbound.conf"],
      publish: [],
    });
    stub = `test=${await authority.ip()}`;
    resolver = await healthy(lab, "resolver", { networks: { [network]: [] }, env: { RESOLVER_STUBS: stub } });
    dns = await client(resolver);
  });

  it("asks the given server for a stub name, although test. is special (RFC 6761)", async () => {
    const [mx, ...more] = await dns.resolveMx("semail.test");
    assert.deepEqual([mx?.exchange, mx?.priority, more.length], ["mail.semail.test", 10, 0]);
    assert.deepEqual(await dns.resolve4("mail.semail.test"), ["192.0.2.7"]);
    await assert.rejects(dns.resolve4("nobody.semail.test"), { code: "ENOTFOUND" });
  });

  it("answers test. with absence when no stub is given", async () => {
    const plain = await client(await healthy(lab, "resolver", { networks: { [network]: [] } }));
    await assert.rejects(plain.resolveMx("semail.test"), { code: "ENOTFOUND" });
  });

  it("says SERVFAIL within five seconds when the server of a stub is gone", async () => {
    const lost = await client(
      await healthy(lab, "resolver", {
        networks: { [network]: [] },
        env: { RESOLVER_STUBS: `${stub} example=192.0.2.1` },
      }),
    );
    const asked = performance.now();
    await assert.rejects(lost.resolveMx("semail.example"), { code: "ESERVFAIL" });
    assert.ok(performance.now() - asked < 5_000);
    assert.equal((await lost.resolveMx("semail.test")).length, 1);
  });

  it("refuses those outside its networks", async () => {
    const closed = await healthy(lab, "resolver", {
      networks: { [network]: [] },
      env: { RESOLVER_ALLOW: "198.51.100.0/24", RESOLVER_STUBS: stub },
    });
    assert.equal(await responseCode(await closed.port("53/udp"), ["semail", "test"]), REFUSED);
    assert.equal(await responseCode(await resolver.port("53/udp"), ["semail", "test"]), NOERROR);
  });

  it("does not say what it is", async () => {
    assert.equal(
      await responseCode(await resolver.port("53/udp"), ["version", "bind"], { chaos: true }),
      REFUSED,
    );
  });
});

const NOERROR = 0;
const REFUSED = 5;

/** The RCODE (RFC 1035 section 4.1.1) of the answer to one TXT question. */
async function responseCode(port: number, labels: string[], { chaos = false } = {}): Promise<number> {
  const question = Buffer.concat([
    // Identifier 1, recursion desired, one question.
    Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0, 0, 16, 0, chaos ? 3 : 1]),
  ]);
  const socket = createSocket("udp4");
  try {
    socket.send(question, port, "127.0.0.1");
    const [answer]: Buffer[] = await once(socket, "message", { signal: AbortSignal.timeout(10_000) });
    return (answer?.readUInt8(3) ?? 0) & 0x0f;
  } finally {
    socket.close();
  }
}
