/** What a DNS answer says, in the form that zone files have. Pure. */
import { z } from "zod";
import type { DnsMessage } from "../../mailserver/dns/exchange.ts";

const Mx = z.object({ preference: z.int().default(0), exchange: z.string() });
const Srv = z.object({ priority: z.int(), weight: z.int(), port: z.int(), target: z.string() });
const Caa = z.object({ flags: z.int(), tag: z.string(), value: z.string() });
const Tlsa = z.object({
  ...{ usage: z.int(), selector: z.int(), matchingType: z.int() },
  certificate: z.instanceof(Uint8Array),
});
const Txt = z.array(z.instanceof(Uint8Array));

const dotted = (host: string): string => (host.endsWith(".") ? host : `${host}.`);

function toText(type: string, data: unknown): string {
  switch (type) {
    case "MX": {
      const { preference, exchange } = Mx.parse(data);
      return `${preference} ${dotted(exchange)}`;
    }
    case "SRV": {
      const { priority, weight, port, target } = Srv.parse(data);
      return `${priority} ${weight} ${port} ${dotted(target)}`;
    }
    case "CAA": {
      const { flags, tag, value } = Caa.parse(data);
      return `${flags} ${tag} ${JSON.stringify(value)}`;
    }
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = Tlsa.parse(data);
      return `${usage} ${selector} ${matchingType} ${Buffer.from(certificate).toString("hex")}`;
    }
    case "TXT":
      return Buffer.concat(Txt.parse(data)).toString();
    default:
      return z.string().parse(data);
  }
}

/** Aliases one behind the other. */
const MAX_ALIASES = 16;

/** The values at the end of the aliases, their TTL, and the first alias. */
export function readValues(
  { answers }: Pick<DnsMessage, "answers">,
  { name, type }: { readonly name: string; readonly type: string },
): { values: string[]; ttl: number | undefined; alias: string | undefined } {
  let at = name.toLowerCase();
  let alias: string | undefined;
  for (let step = 0; step < MAX_ALIASES; step += 1) {
    const next = answers.find((answer) => answer.type === "CNAME" && answer.name.toLowerCase() === at);
    if (typeof next?.data !== "string") break;
    at = next.data.toLowerCase().replace(/\.$/, "");
    alias ??= at;
  }
  const found = answers.filter((answer) => answer.type === type && answer.name.toLowerCase() === at);
  return { values: found.map(({ data }) => toText(type, data)), ttl: found[0]?.ttl, alias };
}
