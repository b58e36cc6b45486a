/**
 * The Sender Rewriting Scheme: mail that we forward leaves with a reverse-path of our domain, since SPF lets us send for
 * no other, and a bounce to it finds its way back. Pure.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { isBare, makeAddress } from "../smtp/address.ts";
import type { Address, ReversePath } from "../smtp/types.ts";

export interface SrsRules {
  /** Whose mail we forward; the reverse-paths are of the first. */
  readonly domains: readonly string[];
  readonly secret: string;
}

/** What a recipient's address is to us. */
export type SrsAnswer =
  /** None of ours in this form. */
  | { readonly kind: "none" }
  /** Forged, or too old. */
  | { readonly kind: "invalid" }
  | { readonly kind: "valid"; readonly address: Address };

const DAY = 86_400_000;
/** Others give a message up after five days; the bounce may then travel as long. */
const VALID_DAYS = 14;
/** Days are counted in two digits of base 32. */
const CYCLE = 1_024;

/** `SRS0=hash=day=domain=local`: from a domain that does not rewrite. */
const SRS0 = /^SRS0[=+-]([^=]+)=([0-9a-v]{2})=([^=]+)=(.+)$/is;
/** `SRS1=hash=domain=…`: from one that does; what follows is that domain's own, its separator included. */
const SRS1 = /^SRS1[=+-]([^=]+)=([^=]+)=(.+)$/is;

/** The reverse-path with which a message leaves that was sent with `from`. */
export function rewrite(from: ReversePath, { domains, secret }: SrsRules, now: number): ReversePath {
  const [ours] = domains;
  if (from === null || ours === undefined || domains.includes(from.domain)) return from;
  const make = (local: string): Address => makeAddress(local, ours, { bare: isBare(from) });
  const again = SRS1.exec(from.local);
  if (again !== null) {
    const [, , first = "", rest = ""] = again;
    return make(`SRS1=${hash(secret, ["SRS1", first, rest])}=${first}=${rest}`);
  }
  if (/^SRS0[=+-]/i.test(from.local)) {
    const rest = from.local.slice("SRS0".length);
    return make(`SRS1=${hash(secret, ["SRS1", from.domain, rest])}=${from.domain}=${rest}`);
  }
  const stamp = (Math.floor(now / DAY) % CYCLE).toString(32).padStart(2, "0");
  const { domain, local } = from;
  return make(`SRS0=${hash(secret, [stamp, domain, local])}=${stamp}=${domain}=${local}`);
}

/** Where a bounce goes that was sent to `address`. */
export function restore(path: Address, { domains, secret }: SrsRules, now: number): SrsAnswer {
  const { local, domain } = path;
  if (!domains.includes(domain) || !/^SRS[01][=+-]/i.test(local)) return { kind: "none" };
  const valid = (name: string, of: string): SrsAnswer => ({
    kind: "valid",
    address: makeAddress(name, of, { bare: isBare(path) }),
  });
  const [, mark0 = "", stamp = "", origin = "", name = ""] = SRS0.exec(local) ?? [];
  if (name !== "") {
    const right = isSame(mark0, hash(secret, [stamp, origin, name])) && isFresh(stamp, now);
    return right ? valid(name, origin) : { kind: "invalid" };
  }
  const [, mark1 = "", first = "", rest = ""] = SRS1.exec(local) ?? [];
  if (rest === "" || !isSame(mark1, hash(secret, ["SRS1", first, rest]))) return { kind: "invalid" };
  return valid(`SRS0${rest}`, first);
}

function isFresh(stamp: string, now: number): boolean {
  const age = (Math.floor(now / DAY) - Number.parseInt(stamp, 32)) % CYCLE;
  return (age + CYCLE) % CYCLE <= VALID_DAYS;
}

/**
 * 40 bits: a guess is one message to one address. By-passers may have changed the case. The parts of an SRS1 begin with that
 * word, which is no time of an SRS0: both are a stranger's words in part, and the hash of the one must not fit the other.
 */
function hash(secret: string, parts: readonly string[]): string {
  const digest = createHmac("sha256", secret).update(parts.join("=").toLowerCase()).digest();
  return digest.readUIntBE(0, 5).toString(32).padStart(8, "0");
}

function isSame(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given.toLowerCase()), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
