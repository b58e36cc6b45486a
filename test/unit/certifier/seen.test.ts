import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { placeOf } from "../../../mailserver/certifier/challenges.ts";
import type { CertifierFault } from "../../../mailserver/certifier/fault.ts";
import { untilSeen } from "../../../mailserver/certifier/seen.ts";
import type { DnsMessage } from "../../../mailserver/dns/exchange.ts";

const RECORD = { zone: "example.org", name: "_acme-challenge.mx", value: "proof" };

const message = (rcode: string, answers: { type: string; data: unknown }[]): DnsMessage => ({
  ...{ id: 1, type: "response", rcode, flag_aa: true, flag_tc: false, flag_ad: false, questions: [] },
  answers: answers.map((answer) => ({ name: "x", ttl: 60, ...answer })),
  ...{ authorities: [], bytes: 100 },
});

/** Two name servers, the second with IPv6 alone; `texts` is what each says in each round. */
async function wait(texts: (server: string, round: number) => DnsMessage | Error) {
  const rounds = new Map<string, number>();
  let time = 0;
  await untilSeen([RECORD], {
    ...{ nameServers: [], resolvers: ["192.0.2.53"], patienceMs: 10_000, elapsed: () => time },
    sleep: async (ms) => {
      time += ms;
    },
    ask: async ({ host }, { type, name }) => {
      if (type === "NS")
        return message("NOERROR", [
          { type, data: "ns1.test" },
          { type, data: "ns2.test" },
        ]);
      if (type === "A") return message("NOERROR", name === "ns1.test" ? [{ type, data: "192.0.2.1" }] : []);
      if (type === "AAAA") return message("NOERROR", [{ type, data: "2001:db8::2" }]);
      assert.equal(name, "_acme-challenge.mx.example.org");
      const round = rounds.get(host) ?? 0;
      rounds.set(host, round + 1);
      const said = texts(host, round);
      if (said instanceof Error) throw said;
      return said;
    },
  });
  return Object.fromEntries(rounds);
}

const text = (...values: string[]) =>
  message(
    "NOERROR",
    values.map((value) => ({
      type: "TXT",
      data: [Buffer.from(value.slice(0, 2)), Buffer.from(value.slice(2))],
    })),
  );

const unreachable = Object.assign(new Error("x"), { code: "ENETUNREACH" });

describe("a record is waited for", () => {
  it("on every name server, among others under its name", async () => {
    const found = await wait((server, round) => {
      if (server === "192.0.2.1") return text("of somebody else", "proof");
      return round === 0 ? message("NXDOMAIN", []) : text("proof");
    });
    assert.deepEqual(found, { "192.0.2.1": 2, "2001:db8::2": 2 });
  });

  it("not on a server with IPv6 alone, where there is no IPv6", async () => {
    const found = await wait((server) => (server === "192.0.2.1" ? text("proof") : unreachable));
    assert.deepEqual(found, { "192.0.2.1": 1, "2001:db8::2": 1 });
  });

  const cases: [string, () => DnsMessage | Error, RegExp][] = [
    ["nothing is there", () => message("NXDOMAIN", []), /mx\.example\.org at 192\.0\.2\.1: nothing; /],
    ["another value is there", () => text("other"), /another value/],
    ["the server refuses", () => message("REFUSED", []), /no answer \(REFUSED\)/],
    [
      "the server is away",
      () => Object.assign(new Error("x"), { code: "ETIMEOUT" }),
      /no answer \(ETIMEOUT\)/,
    ],
  ];
  for (const [what, said, wanted] of cases)
    it(`in vain: ${what}`, async () => {
      await assert.rejects(wait(said), (fault: CertifierFault) => {
        assert.equal(fault.code, "unseen");
        assert.match(fault.message, wanted);
        assert.match(fault.remedy, /registrar/);
        return true;
      });
    });
});

it("the record of a name goes into the nearest of our zones", () => {
  const zones = ["example.org", "mail.example.org", "example.net"];
  assert.deepEqual(placeOf("mx.example.org", zones), { zone: "example.org", name: "_acme-challenge.mx" });
  assert.deepEqual(placeOf("mx.mail.example.org", zones), {
    zone: "mail.example.org",
    name: "_acme-challenge.mx",
  });
  assert.deepEqual(placeOf("example.net", zones), { zone: "example.net", name: "_acme-challenge" });
  assert.throws(() => placeOf("badexample.org", zones), RangeError);
});
