import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { issueAuthority, issueCertificate } from "../../../components/providers/certificate/issue.ts";
import { ConnectionPool } from "../../../mailserver/net/pool.ts";
import type { ConnectOptions, Verification } from "../../../mailserver/net/types.ts";
import type { TlsaRecord } from "../../../mailserver/policy/tls.ts";
import { type Identity, makeForeignIdentity, makeIdentity } from "../../support/identity.ts";
import { type Inbox, listenForMail } from "../../support/mail-listener.ts";
import { BODY, envelope, kinds, options, sent } from "../../support/sending.ts";

const TAKEN = "delivered 250 2.0.0";
const REFUSED = "failed at tls: 451 4.7.5";

let identity: Identity;
let other: Identity;
let inbox: Inbox;
before(async () => {
  identity = await makeIdentity("mx.one.test");
  other = await makeIdentity("mx.one.test");
  inbox = await listenForMail({ tls: identity, limits: { connections: 100 } });
});
after(() => inbox.listener.close());

/** As an operator would publish it. */
function tlsa(pem: string, usage: number, selector: number, matching: number): TlsaRecord {
  const certificate = new X509Certificate(pem);
  const selected =
    selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" });
  const digest = [undefined, "sha256", "sha512"][matching];
  const data = digest === undefined ? selected : createHash(digest).update(selected).digest();
  return { usage, selector, matching, data: data.toString("hex") };
}

const dane = (records: TlsaRecord[], names = ["mx.one.test"]): Verification => ({
  ...{ kind: "dane", name: names[0] ?? "", names, records },
});

async function trial(verify: Verification, port = inbox.listener.port): Promise<string | undefined> {
  const [result] = await sent(port, ["a@b.example"], { connect: { verify }, session: { tls: "required" } });
  return result;
}

describe("DANE", () => {
  for (const usage of [2, 3]) {
    for (const selector of [0, 1]) {
      for (const matching of [0, 1, 2]) {
        const kind = `${usage} ${selector} ${matching}`;
        test(`${kind} that fits, and one that does not`, async () => {
          const of = ({ certificate, ca }: Identity): string => (usage === 2 ? ca : certificate);
          assert.equal(await trial(dane([tlsa(of(identity), usage, selector, matching)])), TAKEN);
          assert.equal(await trial(dane([tlsa(of(other), usage, selector, matching)])), REFUSED);
        });
      }
    }
  }

  test("one record of several is enough", async () => {
    const records = [tlsa(other.certificate, 3, 1, 1), tlsa(identity.certificate, 3, 1, 1)];
    assert.equal(await trial(dane(records)), TAKEN);
  });

  test("by usage 3 the name is not looked at, by usage 2 it is (RFC 7672 section 3.1)", async () => {
    assert.equal(await trial(dane([tlsa(identity.certificate, 3, 1, 1)], ["mx.two.test"])), TAKEN);
    assert.equal(await trial(dane([tlsa(identity.ca, 2, 1, 1)], ["mx.two.test"])), REFUSED);
    assert.equal(await trial(dane([tlsa(identity.ca, 2, 1, 1)], ["mx.two.test", "mx.one.test"])), TAKEN);
  });

  test("a record of the certificate itself is no authority, nor one of the authority a certificate", async () => {
    assert.equal(await trial(dane([tlsa(identity.certificate, 2, 1, 1)])), REFUSED);
    assert.equal(await trial(dane([tlsa(identity.ca, 3, 1, 1)])), REFUSED);
  });

  test("an expired certificate will do by usage 3 alone", async () => {
    const past = new Date(Date.now() - 10 * 86_400_000);
    const ca = await issueAuthority("Test authority", 30, past);
    const issued = await issueCertificate(ca, {
      dnsNames: ["mx.one.test"],
      ipAddresses: [],
      days: 2,
      now: past,
    });
    const expired = await listenForMail({
      tls: { certificate: issued.certificatePem, key: issued.privateKeyPem },
    });
    const { port } = expired.listener;
    assert.equal(await trial(dane([tlsa(issued.certificatePem, 3, 1, 1)]), port), TAKEN);
    assert.equal(await trial(dane([tlsa(ca.certificatePem, 2, 1, 1)]), port), REFUSED);
    await expired.listener.close();
  });

  test("an authority that did not sign the certificate vouches for nothing, though it is sent along", async () => {
    const [leaf] = identity.certificate.split(/(?<=-----END CERTIFICATE-----\n)/);
    const mixed = await listenForMail({ tls: { certificate: `${leaf}${other.ca}`, key: identity.key } });
    assert.equal(await trial(dane([tlsa(other.ca, 2, 1, 1)]), mixed.listener.port), REFUSED);
    await mixed.listener.close();
  });
});

describe("public authorities", () => {
  const pkix = (name: string, ca: string, more = {}): Verification => ({ kind: "pkix", name, ca, ...more });

  test("certificate and name must be right", async () => {
    assert.equal(await trial(pkix("mx.one.test", identity.ca)), TAKEN);
    assert.equal(await trial(pkix("mx.two.test", identity.ca)), REFUSED);
    assert.equal(await trial(pkix("mx.one.test", other.ca)), REFUSED);
    assert.equal(await trial({ kind: "pkix", name: "mx.one.test" }), REFUSED);
  });

  test("a wildcard is for one label (RFC 8461 section 4.1)", async () => {
    const wild = await makeIdentity("*.one.test");
    const peer = await listenForMail({ tls: wild });
    const { port } = peer.listener;
    assert.equal(await trial(pkix("mx.one.test", wild.ca), port), TAKEN);
    assert.equal(await trial(pkix("a.mx.one.test", wild.ca), port), REFUSED);
    assert.equal(await trial(pkix("one.test", wild.ca), port), REFUSED);
    await peer.listener.close();
  });

  test("where it is only to be reported, mail is sent all the same", async () => {
    assert.equal(await trial(pkix("mx.two.test", identity.ca, { report: true })), TAKEN);
  });
});

describe("the names of a certificate", () => {
  type Names = Parameters<typeof makeForeignIdentity>;
  /** What it is taken for by usage 2, and by MTA-STS, for mx.one.test. */
  const cases: readonly (readonly [string, Names, dane: string, pkix: string])[] = [
    ["a common name alone", ["CN=mx.one.test", []], TAKEN, REFUSED],
    ["a common name in other case", ["CN=MX.One.Test", []], TAKEN, REFUSED],
    ["another common name alone", ["CN=mx.two.test", []], REFUSED, REFUSED],
    ["a wildcard as common name", ["CN=*.one.test", []], TAKEN, REFUSED],
    ["half a wildcard as common name", ["CN=m*.one.test", []], REFUSED, REFUSED],
    ["no name at all", ["O=One", []], REFUSED, REFUSED],
    ["the name as organisation", ["O=mx.one.test", []], REFUSED, REFUSED],
    [
      "a common name beside another DNS name",
      ["CN=mx.one.test", [{ type: "dns", value: "mx.two.test" }]],
      REFUSED,
      REFUSED,
    ],
    [
      "a common name beside an IP address",
      ["CN=mx.one.test", [{ type: "ip", value: "192.0.2.1" }]],
      TAKEN,
      REFUSED,
    ],
    [
      "another common name beside the DNS name",
      ["CN=mx.two.test", [{ type: "dns", value: "mx.one.test" }]],
      TAKEN,
      TAKEN,
    ],
  ] as const;
  for (const [what, names, byDane, byPkix] of cases) {
    test(`${what}: by DANE ${byDane}, by MTA-STS ${byPkix} (RFC 7672 3.2.3, RFC 8461 4.1)`, async (context) => {
      const foreign = await makeForeignIdentity(...names);
      const peer = await listenForMail({ tls: foreign });
      context.after(() => peer.listener.close());
      const { port } = peer.listener;
      assert.equal(await trial(dane([tlsa(foreign.ca, 2, 0, 1)]), port), byDane);
      assert.equal(await trial({ kind: "pkix", name: "mx.one.test", ca: foreign.ca }, port), byPkix);
      // By usage 3 no name counts.
      assert.equal(await trial(dane([tlsa(foreign.certificate, 3, 1, 1)]), port), TAKEN);
    });
  }
});

test("a kept session serves again only for a message with the same demands", async () => {
  const pool = new ConnectionPool({ idleMs: 5_000, messages: 100 });
  const peer = await listenForMail({ tls: identity, limits: { connections: 100 } });
  const deliver = async (wishes: Partial<ConnectOptions>, tls: "opportunistic" | "required") => {
    const to = { ...options(peer.listener.port, { tls }), ...wishes };
    const report = await pool.deliver(to, envelope(["a@b.example"]), BODY);
    return report.kind === "done" ? kinds(report.outcomes)[0] : report.failure.reply.enhanced;
  };
  const right = dane([tlsa(identity.certificate, 3, 1, 1)]);
  // The session that was opened without a look at the certificate rests in the pool.
  assert.equal(await deliver({ serverName: "mx.one.test" }, "opportunistic"), TAKEN);
  assert.equal(await deliver({ verify: dane([tlsa(other.certificate, 3, 1, 1)]) }, "required"), "4.7.5");
  assert.equal(await deliver({ verify: { kind: "pkix", name: "mx.one.test" } }, "required"), "4.7.5");
  assert.equal(await deliver({ verify: right }, "required"), TAKEN);
  // And so do those that were opened for a name, when another one or other records are asked for.
  assert.equal(
    await deliver({ verify: { kind: "pkix", name: "mx.one.test", ca: other.ca } }, "required"),
    "4.7.5",
  );
  assert.equal(await deliver({ verify: right }, "required"), TAKEN);
  const sessions = new Set(peer.messages.map(({ session }) => session.id));
  assert.deepEqual([peer.messages.length, sessions.size], [3, 2]);
  await pool.close();
  await peer.listener.close();
});
