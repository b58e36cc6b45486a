/** What requests to the API say. */
import type { Context } from "hono";
import { z } from "zod";
import * as answers from "./answers.ts";
import type { Knot } from "./knot.ts";
import { DEFAULT_TTL, isZoneName, ownerOf } from "./zone.ts";

/** The API's path. */
export const BASE = "/v5/livedns";
const PER_PAGE = 100;

const types =
  "A AAAA CAA CDS CNAME DNAME DS HTTPS KEY LOC MX NAPTR NS OPENPGPKEY PTR RP SPF SRV SSHFP SVCB TLSA TXT".split(
    " ",
  );
/** A record type, in any case. */
export const Type = z.string().toUpperCase().pipe(z.enum(types, "no such record type"));
/** A record name, in any case. */
export const Name = z.string().toLowerCase();
// A line break in a value would begin a record of its own.
const Value = z
  .string()
  .min(1)
  .max(65_535)
  .regex(/^[\x20-\x7e]+$/, "only printable ASCII; write other bytes as \\DDD");
const content = {
  rrset_ttl: z
    .int()
    .min(300, { error: (issue) => `${issue.input} is less than minimum value 300` })
    .max(2_592_000, { error: (issue) => `${issue.input} is greater than maximum value 2592000` })
    .default(DEFAULT_TTL),
  rrset_values: z.array(Value).min(1).max(500),
};
/** The body where the path says name and type. */
export const OfType = z.object(content);
export type OfType = z.infer<typeof OfType>;
/** The body where the path says the name. */
export const OfName = z.object({ rrset_type: Type, ...content });
/** The body where the path says the zone alone. */
export const OfZone = z.object({ rrset_name: Name, rrset_type: Type, ...content });
export type OfZone = z.infer<typeof OfZone>;
/** Each record set once. */
export const AllOfZone = z.object({
  items: z
    .array(OfZone)
    .min(1)
    .refine(
      (items) => new Set(items.map((item) => `${item.rrset_name} ${item.rrset_type}`)).size === items.length,
      "a record set is there twice",
    ),
});
/** A domain to be added. */
export const NewDomain = z.object({ fqdn: z.string().toLowerCase().refine(isZoneName, "is no domain name") });

/** The body, if it fits. */
export async function bodyOf<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const body: unknown = await c.req.json().catch(() => undefined);
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw answers.invalid(parsed.error);
  return parsed.data;
}

/** Links begin with it. */
export const origin = (c: Context) => new URL(c.req.url).origin + BASE;

/** A page of a list, with the headers that say how many there are and where the next page is. */
export function paged(c: Context, items: object[]) {
  const whole = (name: string, fallback: number) => {
    const text = c.req.query(name) ?? String(fallback);
    if (!/^[1-9]\d{0,5}$/.test(text))
      throw answers.badRequest(name, `"${text}" is not a number`, "querystring");
    return Number(text);
  };
  const page = whole("page", 1);
  const perPage = whole("per_page", PER_PAGE);
  const part = items.slice((page - 1) * perPage, page * perPage);
  c.header("Total-Count", String(items.length));
  c.header("Filtered-Count", String(part.length));
  if (page * perPage < items.length) {
    const next = new URL(c.req.url);
    next.searchParams.set("page", String(page + 1));
    c.header("Link", `<${next}>; rel="next"`);
  }
  return c.json(part);
}

/** The zone of the path. */
export function zoneOf(c: Context, knot: Knot): string {
  const zone = (c.req.param("fqdn") ?? "").toLowerCase();
  if (!knot.hasZone(zone)) throw answers.unknownDomain();
  return zone;
}

/** The absolute name of a record. */
export function ownerIn(zone: string, name: string): string {
  const owner = ownerOf(name, zone);
  if (owner === undefined) throw answers.badRequest("rrset_name", `"${name}" is not a valid record name`);
  return owner;
}

/** The zone, name and type of a path. */
export function keyOf(c: Context, knot: Knot) {
  const zone = zoneOf(c, knot);
  const name = (c.req.param("name") ?? "").toLowerCase();
  const type = Type.safeParse(c.req.param("type"));
  if (!type.success) throw answers.badRequest("rrset_type", "no such record type", "path");
  return { zone, name, type: type.data, owner: ownerIn(zone, name) };
}
