/** How a session with a foreign mail host must be secured: DANE (RFC 7672), MTA-STS (RFC 8461), or as well as it goes. */
import { reply } from "../smtp/replies.ts";
import type { Outcome } from "../smtp/types.ts";

/** A TLSA record (RFC 6698 section 2.1); `data` in hexadecimal. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: string;
}

/** What DNSSEC vouches for about the TLSA records of a host. */
export type TlsaFacts =
  /** There are none, or nothing vouches for them. */
  | { readonly kind: "none" }
  /** `base`: the name below which they were found (RFC 7672 section 2.2.3). */
  | { readonly kind: "records"; readonly base: string; readonly records: readonly TlsaRecord[] }
  /** It can't be known: bogus, or no answer. `code` as of node:dns. */
  | { readonly kind: "unknown"; readonly code: string };

/** What the MTA-STS policy of the domain says of a host. */
export interface StsFacts {
  readonly mode: "enforce" | "testing" | "none";
  /** The policy names the host. */
  readonly listed: boolean;
}

export interface TlsFacts {
  /** Of the recipients. */
  readonly domain: string;
  readonly host: string;
  readonly tlsa: TlsaFacts;
  /** Absent: the domain has no policy. */
  readonly sts?: StsFacts;
}

/** On whose word TLS is demanded. */
export type TlsAuthority = "DANE" | "MTA-STS";

export type TlsDecision =
  /** TLS when it is offered, without a look at the certificate (RFC 7435); in clear text otherwise. */
  | { readonly kind: "opportunistic" }
  /** TLS, with any certificate. */
  | { readonly kind: "encrypted"; readonly by: "DANE" }
  /** TLS, with a certificate that a TLSA record fits; `names` are those it may be for (usage 2 alone asks). */
  | {
      readonly kind: "dane";
      readonly by: "DANE";
      readonly base: string;
      readonly names: readonly string[];
      readonly records: readonly TlsaRecord[];
    }
  /** TLS, with a certificate for the host by an authority that everybody trusts. */
  | { readonly kind: "sts"; readonly by: "MTA-STS" }
  /** As opportunistic, but what `sts` would have refused is reported. `unlisted`: that is certain already. */
  | { readonly kind: "testing"; readonly by: "MTA-STS"; readonly unlisted: boolean }
  /** The host must not be used. */
  | { readonly kind: "refuse"; readonly by: TlsAuthority; readonly outcome: Outcome };

/** What is asked of a host that may have mail. */
export type TlsDemand = Exclude<TlsDecision, { readonly kind: "refuse" }>;

/** RFC 8461 section 2: MTA-STS never overrides DANE. */
export function decideTls({ domain, host, tlsa, sts }: TlsFacts): TlsDecision {
  if (tlsa.kind === "unknown") {
    // RFC 7672 section 2.2: who can forge a failure must not be able to turn DANE off, so the host is passed over.
    const text = `The TLSA records of the mail host ${host} can't be validated (${tlsa.code}); its domain has to repair DNS or DNSSEC`;
    return { kind: "refuse", by: "DANE", outcome: temporary("4.7.5", text) };
  }
  const records = tlsa.kind === "records" ? strongest(tlsa.records.filter(isUsable)) : [];
  if (tlsa.kind === "records" && records.length > 0) {
    // RFC 7672 section 3.2.2: the certificate may also be for the name before its aliases, or for the domain.
    const names = [...new Set([tlsa.base, host, domain])];
    return { kind: "dane", by: "DANE", base: tlsa.base, names, records };
  }
  const bySts = sts === undefined ? undefined : decideSts(domain, host, sts);
  if (bySts !== undefined && bySts.kind !== "testing") return bySts;
  // RFC 7672 section 2.2: records of which none is usable still promise TLS.
  if (tlsa.kind === "records") return { kind: "encrypted", by: "DANE" };
  return bySts ?? { kind: "opportunistic" };
}

/** RFC 8461 section 5. */
function decideSts(domain: string, host: string, { mode, listed }: StsFacts): TlsDecision | undefined {
  if (mode === "none") return undefined;
  if (mode === "testing") return { kind: "testing", by: "MTA-STS", unlisted: !listed };
  if (listed) return { kind: "sts", by: "MTA-STS" };
  const text = `The MTA-STS policy of ${domain} does not name its mail host ${host}; the domain has to correct its policy or its MX records`;
  return { kind: "refuse", by: "MTA-STS", outcome: temporary("4.7.5", text) };
}

const HEX_DIGITS: ReadonlyMap<number, number> = new Map([
  [1, 64],
  [2, 128],
]);

/** RFC 7672 section 3.1: usages 2 and 3 alone; RFC 6698 section 2.1 for the rest. */
function isUsable({ usage, selector, matching, data }: TlsaRecord): boolean {
  if (usage !== 2 && usage !== 3) return false;
  if (selector !== 0 && selector !== 1) return false;
  return matching === 0 ? data.length > 0 : data.length === HEX_DIGITS.get(matching);
}

/** RFC 7671 section 9: of several digests of one kind, the strongest counts alone. */
function strongest(records: readonly TlsaRecord[]): TlsaRecord[] {
  const better = ({ usage, selector }: TlsaRecord): boolean =>
    records.some((other) => other.usage === usage && other.selector === selector && other.matching === 2);
  return records.filter((record) => record.matching !== 1 || !better(record));
}

/** What a host did not do that it had to. */
export type TlsFailure = "notOffered" | "handshake" | "certificate";

/** What the recipients of a host hear that failed so. `detail`: what is wrong with the certificate. */
export function tlsFailureOutcome(
  by: TlsAuthority,
  host: string,
  failure: TlsFailure,
  detail?: string,
): Outcome {
  const asked =
    by === "DANE" ? "its TLSA records (DANE) ask for" : "the MTA-STS policy of the domain asks for";
  if (failure === "notOffered") {
    return temporary(
      "4.7.4",
      `The mail host ${host} offers no TLS, which ${asked}; its operator has to offer STARTTLS`,
    );
  }
  if (failure === "handshake") {
    return temporary(
      "4.7.5",
      `TLS with the mail host ${host} failed, which ${asked}; its operator has to repair TLS`,
    );
  }
  const repair =
    by === "DANE"
      ? "its operator has to publish TLSA records that fit"
      : "its operator has to install a valid certificate for that name";
  const wrong = detail ?? "is not the one that is asked for";
  return temporary("4.7.5", `The certificate of the mail host ${host} ${wrong} (${by}); ${repair}`);
}

/** The mail waits: the host may be repaired, and another one may be right. */
function temporary(enhanced: string, text: string): Outcome {
  return { kind: "temporary", reply: reply(451, enhanced, text) };
}
