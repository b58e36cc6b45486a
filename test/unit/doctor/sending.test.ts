/** What the doctor makes of the host that sends, and of the policy for TLS. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { reverseName } from "../../../tools/doctor/ask.ts";
import { checkBind, checkPolicy, checkPtr } from "../../../tools/doctor/sending-checks.ts";
import { said } from "./said.ts";

const ZONE = "example.org";

describe("the host that sends", () => {
  const smtp = `smtp.${ZONE}`;
  const cases: [name: string, names: string[] | undefined, wanted: RegExp | undefined][] = [
    ["its PTR names it", [smtp], undefined],
    ["it has none", [], /^error: is missing/],
    [
      "its PTR is the provider's",
      ["host-1.provider.test"],
      /^error: it names host-1\.provider\.test; smtp-out says HELO smtp/,
    ],
    ["nobody can be asked", undefined, /^unknown/],
  ];
  for (const [name, names, wanted] of cases) {
    test(name, () => {
      const lines = said([checkPtr({ address: "192.0.2.1", names }, smtp)]);
      if (wanted === undefined) return assert.deepEqual(lines, []);
      assert.match(lines[0] ?? "", wanted);
    });
  }
  for (const [address, name] of [
    ["192.0.2.1", "1.2.0.192.in-addr.arpa"],
    ["2001:db8::1", `1${".0".repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`],
    ["2001:DB8:1:2:3:4:5:abcd", "d.c.b.a.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"],
    ["::1", `1${".0".repeat(31)}.ip6.arpa`],
    ["mx.example.org", undefined],
  ] as const)
    test(`is named at ${name}: ${address}`, () => assert.equal(reverseName(address), name));
  test("listens where the records lead", () => {
    assert.deepEqual(said(checkBind("127.0.0.1", undefined)), []);
    assert.deepEqual(said(checkBind("0.0.0.0", "192.0.2.1")), []);
    assert.deepEqual(said(checkBind("127.0.0.1", "127.0.0.1")), []);
    assert.match(
      said(checkBind("127.0.0.1", "192.0.2.1"))[0] ?? "",
      /^error: the records lead to 192\.0\.2\.1/,
    );
  });
});

describe("the MTA-STS policy as senders fetch it", () => {
  const wanted = "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n";
  const cases: [
    name: string,
    got: { status?: number; body?: string; fault?: string },
    wanted: RegExp | undefined,
  ][] = [
    ["the same", { status: 200, body: wanted }, undefined],
    [
      "the same with other line ends",
      { status: 200, body: wanted.replaceAll("\r", "").trimEnd() },
      undefined,
    ],
    ["an old one", { status: 200, body: wanted.replace("enforce", "testing") }, /another policy is served/],
    ["a redirect", { status: 301 }, /the answer is 301, not 200/],
    ["nothing", { fault: "ECONNREFUSED" }, /it can't be fetched \(ECONNREFUSED\)/],
  ];
  for (const [name, got, pattern] of cases) {
    test(name, () => {
      const lines = said([checkPolicy({ url: "https://mta-sts.example.org/", wanted, ...got })]);
      if (pattern === undefined) return assert.deepEqual(lines, []);
      assert.match(lines[0] ?? "", pattern);
    });
  }
});
