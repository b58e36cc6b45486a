/**
 * The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): how a load balancer tells the address of the
 * client. Only for peers that are known to speak it; anybody else could claim to be anyone.
 */
import { isIPv4, isIPv6, type Socket } from "node:net";
import { plainAddress } from "../policy/client-network.ts";

export type ProxyHeader =
  | { readonly kind: "more" | "wrong" }
  /** `address`, IPv4-mapped forms undone, is absent when the balancer speaks for itself, e.g. for a health check. */
  | { readonly kind: "whole"; readonly length: number; readonly address?: string };

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V1 = Buffer.from("PROXY ");
/** Section 2.1: the longest line of version 1. */
const MAX_V1 = 107;
const HEADER_MS = 10_000;

/** Reads the header at the start of what a balancer sent. Pure. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, SIGNATURE)) return parseV2(bytes);
  return startsLike(bytes, V1) ? parseV1(bytes) : { kind: "wrong" };
}

/** As far as there are bytes. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return { kind: bytes.length < MAX_V1 ? "more" : "wrong" };
  if (end + 2 > MAX_V1) return { kind: "wrong" };
  const length = end + 2;
  const words = bytes.toString("latin1", 0, end).split(" ");
  const [, family, source = ""] = words;
  if (family === "UNKNOWN") return { kind: "whole", length };
  const valid = (family === "TCP4" && isIPv4(source)) || (family === "TCP6" && isIPv6(source));
  if (!valid || words.length !== 6) return { kind: "wrong" };
  return { kind: "whole", length, address: plainAddress(source) };
}

/** Section 2.2: signature, version and command, family, length, addresses. */
function parseV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < 16) return { kind: "more" };
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = 16 + bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) return { kind: "wrong" };
  if (bytes.length < length) return { kind: "more" };
  if (command === 0x20) return { kind: "whole", length };
  if (family === 0x11 && length >= 28)
    return { kind: "whole", length, address: [...bytes.subarray(16, 20)].join(".") };
  if (family === 0x21 && length >= 52)
    return { kind: "whole", length, address: ipv6(bytes.subarray(16, 32)) };
  return { kind: "wrong" };
}

/** Sixteen bytes as text, shortened as everywhere else; an IPv4 client as such: the balancer chooses the family. */
function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return plainAddress(groups.join(":"));
}

/** The address in the header of a fresh, paused connection. Rejects when there is none in time. What follows stays unread. */
export function readProxyHeader(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const end = (): void => {
      clearTimeout(timer);
      socket.off("readable", read).off("close", closed).off("error", closed);
    };
    const fail = (reason: string): void => {
      end();
      reject(new Error(reason));
    };
    const closed = (): void => fail("closed before the PROXY header");
    const timer = setTimeout(() => fail("no PROXY header in time"), HEADER_MS);
    const read = (): void => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read())
        seen = Buffer.concat([seen, chunk]);
      const header = parseProxyHeader(seen);
      if (header.kind !== "whole") {
        if (header.kind === "wrong") fail("no PROXY header");
        return;
      }
      end();
      if (seen.length > header.length) socket.unshift(seen.subarray(header.length));
      resolve(header.address);
    };
    socket.on("readable", read).once("close", closed).once("error", closed);
  });
}
