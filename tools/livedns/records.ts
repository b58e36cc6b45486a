/** The records of a domain. */
import { sameValues } from "@pulumi/gandi/rdata.ts";
import { type Context, Hono } from "hono";
import * as answers from "./answers.ts";
import { type Knot, KnotError, type Step } from "./knot.ts";
import {
  AllOfZone,
  bodyOf,
  keyOf,
  OfName,
  OfType,
  OfZone,
  origin,
  ownerIn,
  paged,
  zoneOf,
} from "./requests.ts";
import { type Rrset, toText } from "./zone.ts";

/** What the routes need. */
export interface RecordsOptions {
  knot: Knot;
  log: (event: string, fields: object) => void;
}

/** A record set as the API has it. */
export const show = (c: Context, zone: string) => (set: Rrset) => ({
  rrset_name: set.name,
  rrset_type: set.type,
  rrset_ttl: set.ttl,
  rrset_values: set.values,
  rrset_href: `${origin(c)}/domains/${zone}/records/${set.name}/${set.type}`,
});

const notSoa = (set: Rrset) => set.type !== "SOA";

/** Without them a zone is none. */
const isOwn = (set: Rrset) => set.name === "@" && (set.type === "SOA" || set.type === "NS");

const removal = (zone: string, { name, type }: Rrset): Step => ({
  owner: ownerIn(zone, name),
  type,
  ttl: 0,
  values: [],
});

const stepOf = (zone: string, key: { name: string; type: string }, body: OfType): Step => ({
  owner: ownerIn(zone, key.name),
  type: key.type,
  ttl: body.rrset_ttl,
  values: [...new Set(body.rrset_values)],
});

/** Changes of a zone, as the API answers them. */
function changes({ knot, log }: RecordsOptions) {
  async function change(zone: string, steps: Step[], guard?: () => Promise<void>): Promise<void> {
    try {
      await knot.change(zone, steps, guard);
    } catch (error) {
      if (!(error instanceof KnotError)) throw error;
      if (error.about === "record")
        throw answers.badRequest("rrset_values", `a value is not valid: ${error.message}`);
      throw answers.conflict(`The zone would not be valid, e.g. a record beside a CNAME: ${error.message}`);
    }
    const done = steps.map(({ owner, type, values }) => ({ owner, type, values: values.length }));
    log("livedns.change", { zone, steps: done });
  }

  return {
    async put(c: Context, zone: string, step: Step) {
      await change(zone, [step]);
      return c.json({ message: "DNS Record Created" }, 201);
    },

    async add(c: Context, zone: string, step: Step) {
      await change(zone, [step], async () => {
        const [existing] = await knot.read(zone, step.owner, step.type);
        if (!existing) return;
        const { name, type, ttl, values } = existing;
        if (ttl === step.ttl && sameValues(values, step.values, type, zone)) throw answers.repeated();
        throw answers.conflict(`A DNS Record ${name}/${type} already exists`);
      });
      return c.json({ message: "DNS Record Created" }, 201);
    },

    /** All that the zone has gives way to these; its own SOA and NS stay where they are not among them. */
    async replace(c: Context, zone: string, items: readonly OfZone[]) {
      const steps = items.map((item) => stepOf(zone, { name: item.rrset_name, type: item.rrset_type }, item));
      const stays = new Set(steps.map(({ owner, type }) => `${owner} ${type}`));
      const goes = (await knot.read(zone))
        .filter((set) => !isOwn(set))
        .map((set) => removal(zone, set))
        .filter(({ owner, type }) => !stays.has(`${owner} ${type}`));
      await change(zone, [...goes, ...steps]);
      return c.json({ message: "DNS Records Created" }, 201);
    },

    /** Removes record sets. The zone's own SOA and NS stay. */
    async clear(c: Context, zone: string, sets: Rrset[]) {
      const steps = sets.filter((set) => !isOwn(set)).map((set) => removal(zone, set));
      if (steps.length > 0) await change(zone, steps);
      return c.body(null, 204);
    },
  };
}

const nameOf = (c: Context) => (c.req.param("name") ?? "").toLowerCase();

/** All records of a domain, and those of a name. */
export function recordLists(options: RecordsOptions) {
  const { knot } = options;
  const { add, clear, replace } = changes(options);
  return new Hono()
    .get("/", async (c) => {
      const zone = zoneOf(c, knot);
      const sets = await knot.read(zone);
      if (c.req.header("accept")?.startsWith("text/plain")) return c.text(toText(sets));
      return paged(c, sets.filter(notSoa).map(show(c, zone)));
    })
    .post("/", async (c) => {
      const zone = zoneOf(c, knot);
      const body = await bodyOf(c, OfZone);
      return add(c, zone, stepOf(zone, { name: body.rrset_name, type: body.rrset_type }, body));
    })
    .put("/", async (c) => {
      const zone = zoneOf(c, knot);
      return replace(c, zone, (await bodyOf(c, AllOfZone)).items);
    })
    .delete("/", async (c) => {
      const zone = zoneOf(c, knot);
      return clear(c, zone, await knot.read(zone));
    })
    .get("/:name", async (c) => {
      const zone = zoneOf(c, knot);
      const sets = await knot.read(zone, ownerIn(zone, nameOf(c)));
      return paged(c, sets.filter(notSoa).map(show(c, zone)));
    })
    .post("/:name", async (c) => {
      const zone = zoneOf(c, knot);
      const body = await bodyOf(c, OfName);
      return add(c, zone, stepOf(zone, { name: nameOf(c), type: body.rrset_type }, body));
    })
    .delete("/:name", async (c) => {
      const zone = zoneOf(c, knot);
      return clear(c, zone, await knot.read(zone, ownerIn(zone, nameOf(c))));
    });
}

/** One record set. */
export function recordSets(options: RecordsOptions) {
  const { knot } = options;
  const { add, put, clear } = changes(options);
  return new Hono()
    .get("/:name/:type", async (c) => {
      const { zone, name, type, owner } = keyOf(c, knot);
      const [set] = await knot.read(zone, owner, type);
      if (!set) throw answers.unknownRecord(name, type);
      return c.json(show(c, zone)(set));
    })
    .post("/:name/:type", async (c) => {
      const { zone, ...key } = keyOf(c, knot);
      return add(c, zone, stepOf(zone, key, await bodyOf(c, OfType)));
    })
    .put("/:name/:type", async (c) => {
      const { zone, ...key } = keyOf(c, knot);
      return put(c, zone, stepOf(zone, key, await bodyOf(c, OfType)));
    })
    .delete("/:name/:type", async (c) => {
      const { zone, name, type, owner } = keyOf(c, knot);
      const sets = await knot.read(zone, owner, type);
      if (sets.length === 0) throw answers.unknownRecord(name, type);
      return clear(c, zone, sets);
    });
}
