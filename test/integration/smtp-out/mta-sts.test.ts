import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import { after, before, describe, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { issueAuthority, issueCertificate } from "../../../components/providers/certificate/issue.ts";
import { createStsPolicies } from "../../../mailserver/courier/mta-sts.ts";
import { createSecurity } from "../../../mailserver/courier/security.ts";
import { createSmtpCourier } from "../../../mailserver/courier/smtp.ts";
import { openStsStore } from "../../../mailserver/courier/sts-store.ts";
import { createTargetRule } from "../../../mailserver/courier/target.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { ConnectionPool } from "../../../mailserver/net/pool.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";
import { makeIdentity } from "../../support/identity.ts";
import { type Peer, startPeer } from "../../support/peer.ts";
import { temporaryFolder } from "../../support/queue.ts";

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());

/** A policy host whose certificate is right, one with a stranger's; mail hosts alike, and one without TLS. */
const [POLICY, STRANGE_POLICY, MAIL, STRANGE, CLEAR] = [3, 4, 5, 6, 7].map((last) => `127.0.77.${last}`);
const OURS = getCACertificates("default");
stack.defer(() => setDefaultCACertificates(OURS));

const text =
  (mode: string, mx: string, more = ""): RequestListener =>
  (_request, response) => {
    response.setHeader("Content-Type", "text/plain");
    response.end(`version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: 86400\n${more}`);
  };

interface Case {
  readonly file: RequestListener;
  readonly policyAt?: string | undefined;
  readonly mailAt?: string | undefined;
  readonly want: string;
}

const cases: Readonly<Record<string, Case>> = {
  "enforce, and the right certificate": { file: text("enforce", "mx.one.test"), want: "delivered ESMTPS" },
  "enforce by a wildcard": { file: text("enforce", "*.one.test"), want: "delivered ESMTPS" },
  "enforce, and a stranger's certificate": {
    file: text("enforce", "mx.one.test"),
    mailAt: STRANGE,
    want: "temporary 4.7.5",
  },
  "enforce, and no TLS": { file: text("enforce", "mx.one.test"), mailAt: CLEAR, want: "temporary 4.7.4" },
  "enforce, and a host that is not named": { file: text("enforce", "mx2.one.test"), want: "temporary 4.7.5" },
  "testing, and a stranger's certificate": {
    file: text("testing", "mx.one.test"),
    mailAt: STRANGE,
    want: "delivered ESMTPS",
  },
  "testing, and no TLS": { file: text("testing", "mx.one.test"), mailAt: CLEAR, want: "delivered ESMTP" },
  "none, and a stranger's certificate": {
    file: text("none", "mx.one.test"),
    mailAt: STRANGE,
    want: "delivered ESMTPS",
  },
  "a policy host with a stranger's certificate, which counts as no policy": {
    file: text("enforce", "mx2.one.test"),
    policyAt: STRANGE_POLICY,
    want: "delivered ESMTPS",
  },
  "a redirect to the policy, which counts as no policy (RFC 8461 section 3.3)": {
    file: (request, response) => {
      if (request.url === "/there") return text("enforce", "mx2.one.test")(request, response);
      response.writeHead(302, { Location: "https://mta-sts.one.test/there" }).end();
    },
    want: "delivered ESMTPS",
  },
  "a policy of more than 64 KiB, which counts as none": {
    file: text("enforce", "mx2.one.test", "x".repeat(70_000)),
    want: "delivered ESMTPS",
  },
  "a policy that is a web page, which counts as none": {
    file: (_request, response) =>
      void response.setHeader("Content-Type", "text/html").end("<p>mode: enforce"),
    want: "delivered ESMTPS",
  },
};

let peers: readonly Peer[];
let answer: RequestListener = text("none", "x");
let port: number;

async function policyServer(
  host: string | undefined,
  identity: { certificate: string; key: string },
): Promise<Server> {
  const server = createServer({ cert: identity.certificate, key: identity.key }, (request, response) =>
    answer(request, response),
  );
  await once(server.listen(443, host), "listening");
  return server;
}

before(async () => {
  const now = new Date();
  const ca = await issueAuthority("Everybody's authority", 2, now);
  const names = ["mta-sts.one.test", "mx.one.test"];
  const issued = await issueCertificate(ca, { dnsNames: names, ipAddresses: [], days: 1, now });
  const right = { certificate: issued.certificatePem, key: issued.privateKeyPem };
  const strange = await makeIdentity("mx.one.test");
  setDefaultCACertificates([...OURS, ca.certificatePem]);
  for (const server of [await policyServer(POLICY, right), await policyServer(STRANGE_POLICY, strange)]) {
    stack.defer(() => {
      server.closeAllConnections();
      server.close();
    });
  }
  const first = stack.use(await startPeer({ host: MAIL ?? "", tls: right }));
  port = first.port;
  peers = [
    first,
    stack.use(await startPeer({ host: STRANGE ?? "", port, tls: strange })),
    stack.use(await startPeer({ host: CLEAR ?? "", port })),
  ];
});

describe("a domain with an MTA-STS policy:", () => {
  for (const [name, { file, policyAt = POLICY, mailAt = MAIL, want }] of Object.entries(cases)) {
    test(`${name}: ${want}`, async () => {
      answer = file;
      await using folder = await temporaryFolder();
      using store = disposable(openStsStore(folder.path));
      const zone: Zone = {
        "one.test": { mx: [[10, "mx.one.test"]] },
        "mx.one.test": { a: [mailAt ?? ""] },
        "_mta-sts.one.test": { txt: ["v=STSv1; id=1;"] },
        "mta-sts.one.test": { a: [policyAt ?? ""] },
      };
      const dns = fakeDns(zone);
      const common = { dns, log: silentLog, mayReach: createTargetRule(["127.0.77.0/24"]) };
      const sts = createStsPolicies({ ...common, store, clock: systemClock });
      const connections = new ConnectionPool({ idleMs: 100, messages: 1 });
      const carry = createSmtpCourier({
        ...{ ...common, port, connections, random: Math.random, ownNames: [], hostname: "smtp.semail.test" },
        security: createSecurity({ dns, sts, port, exempt: [] }),
      });
      const before = peers.map(({ received }) => received.length);
      const [result] = await carry(
        "one.test",
        {
          ...{ from: null, recipients: [makeAddress("bob", "one.test")], body: Buffer.from("\r\n") },
          ...{ eightBit: false, smtputf8: false },
        },
        AbortSignal.timeout(60_000),
      );
      await connections.close();
      const taken = peers.flatMap(({ received }, index) => received.slice(before[index]));
      const how = result?.kind === "delivered" ? taken[0]?.session.protocol : result?.reply.enhanced;
      assert.equal(`${result?.kind} ${how}`, want, result?.reply.lines.join(" "));
    });
  }
});

function disposable<T extends { close(): void }>(thing: T): T & Disposable {
  return Object.assign(thing, { [Symbol.dispose]: () => thing.close() });
}
