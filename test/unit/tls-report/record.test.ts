import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { reportReceivers } from "../../../mailserver/tls-report/record.ts";

describe("the record of a domain asks for reports to", () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ["one address", ["v=TLSRPTv1; rua=mailto:tls@one.test"], "mailto:tls@one.test"],
    [
      "several",
      ["v=TLSRPTv1;rua=https://x.test/r?d=1#x , mailto:a@x.test,mailto:b@x.test"],
      "https://x.test/r?d=1 mailto:a@x.test mailto:b@x.test",
    ],
    [
      "one that is written in percent",
      ["v=TLSRPTv1; rua=mailto:a%2Bb@x.test?subject=x"],
      "mailto:a+b@x.test",
    ],
    ["one, beside other texts", ["hello", "v=TLSRPTv1; rua=mailto:a@x.test;"], "mailto:a@x.test"],
    [
      "those that are named twice",
      ["v=TLSRPTv1; rua=mailto:a@x.test,MAILTO:a@X.test,https://x.test,HTTPS://X.test/"],
      "mailto:a@x.test https://x.test/",
    ],
    [
      "three of ten",
      [`v=TLSRPTv1; rua=${[..."0123456789"].map((n) => `mailto:${n}@x.test`).join(",")}`],
      "mailto:0@x.test mailto:1@x.test mailto:2@x.test",
    ],
    [
      "nobody at another port or without a name, whatever the way to write an address",
      [
        `v=TLSRPTv1; rua=${["x.test:8443/", "127.0.0.1/", "2130706433/", "0x7f.1/", "[::1]/", "u:p@x.test/"]
          .map((rest) => `https://${rest}`)
          .join(",")},http://x.test/,ftp://x.test/`,
      ],
      "",
    ],
    ["nobody, by two records", ["v=TLSRPTv1; rua=mailto:a@x.test", "v=TLSRPTv1; rua=mailto:b@x.test"], ""],
    ["nobody, by another version", ["v=TLSRPTv2; rua=mailto:a@x.test"], ""],
    [
      "nobody, by what is no address",
      ["v=TLSRPTv1; rua=mailto:a,mailto:%E0%A4%A,mailto:a@x.test%0d%0aBcc:b@x.test"],
      "",
    ],
  ];
  for (const [name, texts, want] of cases) {
    test(name, () =>
      assert.equal(
        reportReceivers(texts)
          .map(({ uri }) => uri)
          .join(" "),
        want,
      ),
    );
  }
});
