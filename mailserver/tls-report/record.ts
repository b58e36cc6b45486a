/** Who wants reports about a domain: the `_smtp._tls` record (RFC 8460 section 3). Pure. */
import { parseAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";

/** A record may name as many as it likes; a report is no mailing list. */
const MAX_ADDRESSES = 3;

/** The addresses of its `mailto:` URIs. RFC 8460 section 3: of several records none counts. */
export function reportAddresses(texts: readonly string[]): Address[] {
  const records = texts.filter((text) => /^v=TLSRPTv1\s*(;|$)/.test(text));
  const [record] = records;
  if (record === undefined || records.length > 1) return [];
  const rua = record.split(";").flatMap((part) => /^\s*rua\s*=\s*(.*?)\s*$/.exec(part)?.[1] ?? [])[0] ?? "";
  const found = rua.split(",").flatMap((uri) => addressOf(uri.trim()) ?? []);
  return found
    .filter(({ text }, index) => found.findIndex((other) => other.text === text) === index)
    .slice(0, MAX_ADDRESSES);
}

/** RFC 6068: what is written in percent, and without a subject and the like. */
function addressOf(uri: string): Address | undefined {
  const text = /^mailto:([^?]+)/i.exec(uri)?.[1];
  if (text === undefined) return undefined;
  try {
    return parseAddress(decodeURIComponent(text));
  } catch {
    return undefined;
  }
}
