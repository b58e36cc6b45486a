import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProxyHeader } from "../../../mailserver/net/proxy.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";

/** A header of version 2. */
function v2(command: number, family: number, addresses: readonly number[]): Buffer {
  return Buffer.from([...Buffer.from(SIGNATURE), command, family, 0, addresses.length, ...addresses]);
}

const V4 = [192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 0, 25];
const V6 = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 9, ...Array(16).fill(0), 1, 2, 0, 25];
const MAPPED = [...Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 7, ...Array(16).fill(0), 1, 2, 0, 25];
const line = (text: string): Buffer => Buffer.from(text);

const cases: Readonly<Record<string, readonly [Buffer, string | undefined | "wrong"]>> = {
  "version 1, IPv4": [line("PROXY TCP4 192.0.2.7 10.0.0.1 1025 25\r\n"), "192.0.2.7"],
  "version 1, IPv6": [line("PROXY TCP6 2001:db8::9 ::1 1025 25\r\n"), "2001:db8::9"],
  "version 1, an IPv4 client of a socket of both families": [
    line("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 1025 25\r\n"),
    "192.0.2.7",
  ],
  "version 1, the same in hexadecimal": [line("PROXY TCP6 ::FFFF:C000:207 ::1 1025 25\r\n"), "192.0.2.7"],
  "version 1, the same in full": [
    line("PROXY TCP6 0:0:0:0:0:ffff:192.0.2.7 0:0:0:0:0:ffff:10.0.0.1 1025 25\r\n"),
    "192.0.2.7",
  ],
  "version 1, IPv6 in full": [line("PROXY TCP6 2001:0DB8:0:0:0:0:0:9 ::1 1025 25\r\n"), "2001:db8::9"],
  "version 1, unknown": [line("PROXY UNKNOWN\r\n"), undefined],
  "version 1, another family": [line("PROXY TCP4 2001:db8::9 ::1 1025 25\r\n"), "wrong"],
  "version 1, no address": [line("PROXY TCP4 alice 10.0.0.1 1025 25\r\n"), "wrong"],
  "version 1, too few words": [line("PROXY TCP4 192.0.2.7\r\n"), "wrong"],
  "version 1, too long": [line(`PROXY UNKNOWN ${"x".repeat(100)}`), "wrong"],
  "version 2, IPv4": [v2(0x21, 0x11, V4), "192.0.2.7"],
  "version 2, IPv4 with more behind": [v2(0x21, 0x11, [...V4, 4, 0, 1, 0]), "192.0.2.7"],
  "version 2, IPv6": [v2(0x21, 0x21, V6), "2001:db8::9"],
  "version 2, an IPv4 client of a socket of both families": [v2(0x21, 0x21, MAPPED), "192.0.2.7"],
  "version 2, the balancer itself": [v2(0x20, 0, []), undefined],
  "version 2, a socket path": [v2(0x21, 0x31, []), "wrong"],
  "version 2, too short": [v2(0x21, 0x11, V4.slice(1)), "wrong"],
  "version 3": [v2(0x31, 0x11, V4), "wrong"],
  "an SMTP client": [line("EHLO client\r\n"), "wrong"],
};
for (const [name, [bytes, want]] of Object.entries(cases)) {
  test(`PROXY ${name}`, () => {
    const found = parseProxyHeader(bytes);
    assert.equal(found.kind === "whole" ? found.address : found.kind, want);
    if (found.kind !== "whole") return;
    assert.equal(found.length, bytes.length);
    // In pieces it is the same, and what follows is not its own.
    for (let end = 0; end < bytes.length; end++) {
      assert.equal(parseProxyHeader(bytes.subarray(0, end)).kind, "more", `after ${end} bytes`);
    }
    assert.deepEqual(parseProxyHeader(Buffer.concat([bytes, line("EHLO c\r\n")])), found);
  });
}
