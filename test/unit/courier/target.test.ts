import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTargetRule } from "../../../mailserver/courier/target.ts";

const closed = [
  ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"],
  ...["127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.168.1.1"],
  ...["198.18.0.1", "198.19.255.255", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255"],
  ...["::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:10.0.0.1", "::ffff:a9fe:a9fe"],
  ...["0:0:0:0:0:ffff:192.168.0.1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1"],
  ...["2001:0:1::1", "2002:7f00:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1", "ff02::1"],
  // No addresses, or of one interface.
  ...["", "localhost", "127.1", "0x7f000001", "2001:db8::1%eth0", "fe80::1%lo"],
];
const open = [
  ...[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
  ],
  ...["169.253.0.1", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "192.169.0.0"],
  ...["198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1", "64:ff9b::101:101"],
  ...["2001:4860:4860::8888", "2a00:1450::1", "2003::1", "2600::1", "fbff::1"],
];

describe("without exceptions", () => {
  const rule = createTargetRule();
  for (const address of closed) test(`${address || "nothing"} is closed`, () => assert.ok(!rule(address)));
  for (const address of open) test(`${address} is open`, () => assert.ok(rule(address)));
});

describe("a network that is allowed", () => {
  const rule = createTargetRule(["10.64.0.0/24", "fd00:1::/64"]);
  const cases = [
    ["10.64.0.25", true],
    ["::ffff:10.64.0.25", true],
    ["fd00:1::25", true],
    ["10.64.1.25", false],
    ["10.64.128.2", false],
    ["127.0.0.1", false],
    ["fd00:1:0:1::1", false],
    ["1.1.1.1", true],
  ] as const;
  for (const [address, expected] of cases) {
    test(`${expected ? "opens" : "doesn't open"} ${address}`, () => assert.equal(rule(address), expected));
  }
});
