/** Snapshots of a domain: what it held when somebody asked to keep it. They live as long as the server. */
import { randomUUID } from "node:crypto";
import { Hono } from "hono";
import { z } from "zod";
import * as answers from "./answers.ts";
import type { RecordsOptions } from "./records.ts";
import { show } from "./records.ts";
import { bodyOf, origin, paged, zoneOf } from "./requests.ts";

interface Snapshot {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
  readonly automatic: false;
  readonly zone_data: readonly object[];
}

/** LiveDNS calls one that has no name after the day. */
const NewSnapshot = z.object({ name: z.string().min(1).max(255).optional() });
/** More would fill the memory of a server that is for development. */
const MOST = 100;

/** The snapshots of a domain. */
export function snapshots({ knot, log }: RecordsOptions) {
  const kept = new Map<string, Snapshot[]>();
  const find = (zone: string, id: string): Snapshot => {
    const found = kept.get(zone)?.find((snapshot) => snapshot.id === id);
    if (found === undefined) throw answers.unknownPath();
    return found;
  };
  return new Hono()
    .get("/", (c) => {
      const zone = zoneOf(c, knot);
      const href = (id: string) => `${origin(c)}/domains/${zone}/snapshots/${id}`;
      const all = (kept.get(zone) ?? []).map(({ zone_data: _, ...rest }) => ({
        ...rest,
        snapshot_href: href(rest.id),
      }));
      return paged(c, all);
    })
    .post("/", async (c) => {
      const zone = zoneOf(c, knot);
      const { name } = await bodyOf(c, NewSnapshot);
      const now = new Date().toISOString();
      const sets = await knot.read(zone);
      const data = sets.filter(({ type }) => type !== "SOA").map(show(c, zone));
      const snapshot: Snapshot = {
        ...{ id: randomUUID(), name: name ?? now.slice(0, 10), created_at: now },
        ...{ automatic: false, zone_data: data },
      };
      kept.set(zone, [...(kept.get(zone) ?? []), snapshot].slice(-MOST));
      log("livedns.snapshot", { zone, id: snapshot.id, sets: data.length });
      const location = `${origin(c)}/domains/${zone}/snapshots/${snapshot.id}`;
      return c.json({ id: snapshot.id, message: "Snapshot Created" }, 201, { location });
    })
    .get("/:id", (c) => c.json(find(zoneOf(c, knot), c.req.param("id"))))
    .delete("/:id", (c) => {
      const zone = zoneOf(c, knot);
      const { id } = find(zone, c.req.param("id"));
      kept.set(
        zone,
        (kept.get(zone) ?? []).filter((snapshot) => snapshot.id !== id),
      );
      return c.body(null, 204);
    });
}
