/** Who wants reports about a domain: the `_smtp._tls` record (RFC 8460 section 3). Pure. */
import { isIP } from "node:net";
import { parseAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";

/** A record may name as many as it likes; a report is no mailing list. */
const MAX_RECEIVERS = 3;

/** Where a report goes; `uri` tells receivers of one record apart. */
export type ReportReceiver =
  | { readonly kind: "mail"; readonly uri: string; readonly address: Address }
  | { readonly kind: "https"; readonly uri: string; readonly url: URL };

/** The URIs of its `rua` that can be used. RFC 8460 section 3: of several records none counts. */
export function reportReceivers(texts: readonly string[]): ReportReceiver[] {
  const records = texts.filter((text) => /^v=TLSRPTv1\s*(;|$)/.test(text));
  const [record] = records;
  if (record === undefined || records.length > 1) return [];
  const rua = record.split(";").flatMap((part) => /^\s*rua\s*=\s*(.*?)\s*$/.exec(part)?.[1] ?? [])[0] ?? "";
  const found = rua.split(",").flatMap((uri) => mailReceiver(uri.trim()) ?? httpsReceiver(uri.trim()) ?? []);
  return found
    .filter(({ uri }, index) => found.findIndex((other) => other.uri === uri) === index)
    .slice(0, MAX_RECEIVERS);
}

/** RFC 6068: what is written in percent, and without a subject and the like. */
function mailReceiver(uri: string): ReportReceiver | undefined {
  const text = /^mailto:([^?]+)/i.exec(uri)?.[1];
  if (text === undefined) return undefined;
  try {
    const address = parseAddress(decodeURIComponent(text));
    return address && { kind: "mail", uri: `mailto:${address.text}`, address };
  } catch {
    return undefined;
  }
}

/** The usual port of a host with a name: a stranger's record is no way to have us knock at other doors. */
function httpsReceiver(uri: string): ReportReceiver | undefined {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url?.protocol !== "https:" || url.port !== "" || url.username !== "" || url.password !== "") {
    return undefined;
  }
  if (isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0) return undefined;
  url.hash = "";
  return { kind: "https", uri: url.href, url };
}
