import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createSecurity } from "../../../mailserver/courier/security.ts";
import { createSmtpCourier, type SmtpCourier } from "../../../mailserver/courier/smtp.ts";
import { createTargetRule } from "../../../mailserver/courier/target.ts";
import { createDns } from "../../../mailserver/dns/resolver.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { ConnectionPool } from "../../../mailserver/net/pool.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { openLab } from "../../support/docker.ts";
import { makeIdentity } from "../../support/identity.ts";
import { type Peer, startPeer } from "../../support/peer.ts";
import { type Change, type SignedDns, startSignedDns } from "../../support/signed-dns.ts";

const lab = openLab();
const stack = new AsyncDisposableStack();
after(async () => {
  await stack.disposeAsync();
  await lab.cleanup();
});

/** With TLS, and without. */
const SECURE = "127.0.77.1";
const CLEAR = "127.0.77.2";
const pool = new ConnectionPool({ idleMs: 500, messages: 100 });
stack.defer(() => pool.close());
let secure: Peer;
let carry: SmtpCourier;
let signed: SignedDns;
let right: string;

const spki = (pem: string): string => {
  const key = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("hex");
};
const OTHER = "ab".repeat(32);
const WRONG_DS = `1 13 2 ${OTHER}`;

before(async () => {
  const identity = await makeIdentity("mx-ta.signed.test");
  secure = stack.use(await startPeer({ host: SECURE, tls: identity }));
  const { port } = secure;
  stack.use(await startPeer({ host: CLEAR, port }));
  right = `3 1 1 ${spki(identity.certificate)}`;
  /** A mail domain whose one host has these TLSA records. */
  const domain = (name: string, address: string, ...tlsa: string[]): string[] => [
    `${name} MX 10 mx-${name}`,
    `mx-${name} A ${address}`,
    ...tlsa.map((data) => `_${port}._tcp.mx-${name} TLSA ${data}`),
  ];
  const zones = [
    {
      name: "signed.test",
      signed: "right" as const,
      records: [
        ...domain("plain", CLEAR),
        ...domain("right", SECURE, right),
        ...domain("ta", SECURE, `2 1 1 ${spki(identity.ca)}`),
        ...domain("taname", SECURE, `2 1 1 ${spki(identity.ca)}`),
        ...domain("wrong", SECURE, `3 1 1 ${OTHER}`),
        ...domain("unusable", SECURE, `1 1 1 ${OTHER}`),
        ...domain("unusableclear", CLEAR, `1 1 1 ${OTHER}`),
        ...domain("clear", CLEAR, right),
        // 60 records are 2.6 kB: too long for UDP.
        ...domain("many", SECURE, right, ...others(59)),
        ...domain("bogus", SECURE),
        "_tcp.mx-bogus NS ns1",
        "alias MX 10 aka",
        "aka CNAME mx-right",
        "two MX 10 mx-wrong",
        "two MX 20 mx-right",
        "null MX 0 .",
        ...domain("mended", SECURE, `3 1 1 ${OTHER}`),
        "child NS ns1.child",
        "ns1.child A 192.0.2.53",
        `child DS ${WRONG_DS}`,
        `implicit A ${SECURE}`,
        `_${port}._tcp.implicit TLSA 3 1 1 ${OTHER}`,
        "manymx A 127.0.77.9",
        ...Array.from({ length: 60 }, (_, index) => `manymx MX ${index + 1} mx-number-${index}.signed.test.`),
        `mx-number-0 A ${SECURE}`,
      ],
    },
    {
      name: "_tcp.mx-bogus.signed.test",
      signed: "wrong" as const,
      records: [`_${port} TLSA ${right}`],
    },
    { name: "child.signed.test", signed: "below" as const, records: domain("mail", SECURE, right) },
    { name: "bogus.test", signed: "wrong" as const, records: ["@ MX 10 mx", `mx A ${SECURE}`] },
    {
      name: "unsigned.test",
      records: [...domain("wrong", SECURE, `3 1 1 ${OTHER}`), "tosigned MX 10 mx-wrong.signed.test."],
    },
  ];
  signed = await startSignedDns(lab, zones, { lost: ["lost.test"], forgetful: true });
  const dns = createDns([signed.resolver], { now: Date.now, remember: false });
  const noSts = { find: async () => ({}) };
  carry = createSmtpCourier({
    ...{ dns, port, log: silentLog, random: Math.random, ownNames: [], hostname: "smtp.semail.test" },
    mayReach: createTargetRule(["127.0.0.0/8"]),
    security: createSecurity({ dns, sts: noSts, port, exempt: ["exempt.test"] }),
    connections: pool,
  });
});

function others(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    return `3 1 1 ${createHash("sha256").update(String(index)).digest("hex")}`;
  });
}

const cases: Readonly<Record<string, { what: string; want: string }>> = {
  "plain.signed.test": { what: "no TLSA, no TLS", want: "delivered 2.0.0" },
  "right.signed.test": { what: "TLSA that fits", want: "delivered 2.0.0" },
  "ta.signed.test": { what: "TLSA of the authority", want: "delivered 2.0.0" },
  "taname.signed.test": {
    what: "TLSA of the authority, another name",
    want: "temporary 4.7.5 not for mx-taname",
  },
  "wrong.signed.test": { what: "TLSA that does not fit", want: "temporary 4.7.5 fits no TLSA record" },
  "unusable.signed.test": { what: "unusable TLSA, any certificate", want: "delivered 2.0.0" },
  "unusableclear.signed.test": { what: "unusable TLSA, no TLS", want: "temporary 4.7.4 offers no TLS" },
  "clear.signed.test": { what: "TLSA, no TLS", want: "temporary 4.7.4 offers no TLS" },
  "many.signed.test": { what: "TLSA records that come over TCP", want: "delivered 2.0.0" },
  "bogus.signed.test": { what: "bogus TLSA", want: "temporary 4.7.5 ESERVFAIL" },
  "alias.signed.test": { what: "an alias in the MX record", want: "delivered 2.0.0" },
  "two.signed.test": { what: "a second host that fits", want: "delivered 2.0.0" },
  "null.signed.test": { what: "a null MX", want: "permanent 5.1.10" },
  "implicit.signed.test": {
    what: "no MX, TLSA that does not fit",
    want: "temporary 4.7.5 fits no TLSA record",
  },
  "manymx.signed.test": { what: "MX records that come over TCP", want: "delivered 2.0.0" },
  "absent.signed.test": { what: "no such domain", want: "permanent 5.1.2" },
  "bogus.test": { what: "a bogus MX", want: "temporary 4.4.3" },
  "lost.test": { what: "a name server that is silent", want: "temporary 4.4.3" },
  "wrong.unsigned.test": { what: "TLSA that nothing vouches for", want: "delivered 2.0.0" },
  "tosigned.unsigned.test": { what: "an MX that nothing vouches for", want: "delivered 2.0.0" },
};

/** What becomes of a message to a domain: the kind, its status and our or the host's words. */
async function send(domain: string): Promise<{ came: string; said: string }> {
  const delivery = { from: null, recipients: [makeAddress("bob", domain)], body: Buffer.from("\r\n") };
  const all = { ...delivery, eightBit: false, smtputf8: false };
  const [result] = await carry(domain, all, AbortSignal.timeout(60_000));
  const { kind, reply } = result ?? assert.fail("no result");
  return { came: `${kind} ${reply.enhanced}`, said: reply.lines.join(" ") };
}

describe("with real DNSSEC, mail to a domain with", () => {
  for (const [domain, { what, want }] of Object.entries(cases)) {
    test(`${what}: ${want}`, async () => {
      const [kind, status, ...words] = want.split(" ");
      const { came, said } = await send(domain);
      assert.equal(came, `${kind} ${status}`, said);
      assert.ok(said.includes(words.join(" ")), said);
    });
  }
});

/** Mail that waits goes out when what was wrong is mended: each step changes the zone, and sends again. */
describe("with real DNSSEC, over time,", () => {
  const host = (address: string): Change => ["set", "mx-mended", "A", address];
  const noHost: Change = ["unset", "mx-mended", "A", ""];
  const tlsa = (verb: Change[0], data: string): Change => [
    ...([verb, `_${secure.port}._tcp.mx-mended`, "TLSA"] as const),
    data,
  ];
  const stories: Readonly<
    Record<
      string,
      { readonly domain: string; readonly steps: () => (readonly [readonly Change[], string])[] }
    >
  > = {
    "TLSA records that do not fit are replaced, and STARTTLS vanishes and comes back": {
      domain: "mended.signed.test",
      steps: () => [
        [[], "temporary 4.7.5"],
        [[tlsa("unset", ""), tlsa("set", right)], "delivered 2.0.0"],
        [[noHost, host(CLEAR)], "temporary 4.7.4"],
        [[noHost, host(SECURE)], "delivered 2.0.0"],
        [[tlsa("unset", "")], "delivered 2.0.0"],
      ],
    },
    "a chain of trust is broken, mended and broken again": {
      domain: "mail.child.signed.test",
      steps: () => [
        [[], "temporary 4.4.3"],
        [
          [
            ["unset", "child", "DS", ""],
            ["set", "child", "DS", rightDs],
          ],
          "delivered 2.0.0",
        ],
        [
          [
            ["unset", "child", "DS", ""],
            ["set", "child", "DS", WRONG_DS],
          ],
          "temporary 4.4.3",
        ],
      ],
    },
  };
  let rightDs: string;
  before(async () => {
    rightDs = await signed.ds("child.signed.test");
  });
  for (const [name, { domain, steps }] of Object.entries(stories)) {
    test(name, async () => {
      for (const [index, [changes, want]] of steps().entries()) {
        if (changes.length > 0) await signed.change("signed.test", changes);
        const { came, said } = await send(domain);
        assert.equal(came, want, `step ${index + 1}: ${said}`);
      }
    });
  }
});
