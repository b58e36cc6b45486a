import assert from "node:assert/strict";
import { test } from "node:test";
import { clientNetwork, plainAddress } from "../../../mailserver/policy/client-network.ts";

const TABLE: readonly [string, string][] = [
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
  ["::ffff:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
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

const WRITTEN: readonly [string, string][] = [
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:C000:201", "192.0.2.1"],
  ["::ffff:c000:0201", "192.0.2.1"],
  ["::ffff:0:0", "0.0.0.0"],
  ["::ffff:255.255.255.255", "255.255.255.255"],
  ["0:0:0:0:0:ffff:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ["0000:0000:0000:0000:0000:FFFF:C000:0201", "192.0.2.1"],
  ["0::ffff:192.0.2.1", "192.0.2.1"],
  ["::0:0:ffff:192.0.2.1", "192.0.2.1"],
  // Translated (RFC 2765), compatible (RFC 4291 section 2.5.5.1), and NAT64 (RFC 6052) are others.
  ["::ffff:0:192.0.2.1", "::ffff:0:c000:201"],
  ["::192.0.2.1", "::c000:201"],
  ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ["2001:db8::ffff:c000:201", "2001:db8::ffff:c000:201"],
  ["2001:0DB8:0:0::192.0.2.1", "2001:db8::c000:201"],
  ["::1", "::1"],
  ["fe80::1%eth0", "fe80::1%eth0"],
  ["alice", "alice"],
  ["", ""],
];

test("an address is the same however it is written, an IPv4 client the same over a socket of both families", () => {
  for (const [address, plain] of WRITTEN) assert.equal(plainAddress(address), plain, address);
});
