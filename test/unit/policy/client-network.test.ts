import assert from "node:assert/strict";
import { test } from "node:test";
import { clientNetwork } from "../../../mailserver/policy/client-network.ts";

const TABLE: readonly [string, string][] = [
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0db8:0001:0002::1", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8:1:2::", "2001:db8:1:2::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["", ""],
];

test("an IPv6 client is its network of 64 bits, an IPv4 client its address", () => {
  for (const [address, network] of TABLE) assert.equal(clientNetwork(address), network, address);
});
