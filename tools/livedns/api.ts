/** The LiveDNS v5 API, https://api.gandi.net/docs/livedns/, over a Knot DNS. */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import * as answers from "./answers.ts";
import { type RecordsOptions, recordLists, recordSets } from "./records.ts";
import { BASE, bodyOf, NewDomain, origin, paged, zoneOf } from "./requests.ts";
import { snapshots } from "./snapshots.ts";

/** What the API needs. */
export interface ApiOptions extends RecordsOptions {
  /** May do everything. */
  token: string;
  /** May only read. */
  readOnlyToken?: string;
}

const digest = (text: string) => createHash("sha256").update(text).digest();
/** Takes the same time whatever the difference is. */
const same = (a: string, b: string) => timingSafeEqual(digest(a), digest(b));

function authorize(c: Context, { token, readOnlyToken }: ApiOptions): void {
  const [, given] = /^Bearer (.+)$/.exec(c.req.header("authorization") ?? "") ?? [];
  if (given === undefined) throw answers.unauthorized();
  if (same(given, token)) return;
  if (readOnlyToken === undefined || !same(given, readOnlyToken)) throw answers.unauthorized();
  if (c.req.method !== "GET") throw answers.forbidden();
}

/** Makes the HTTP application. */
export function makeApi(options: ApiOptions) {
  const { knot, log } = options;
  const app = new Hono();
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    log("livedns.fault", { method: c.req.method, path: c.req.path, error: String(error) });
    return answers.broken().getResponse();
  });
  app.notFound(() => answers.unknownPath().getResponse());
  app.get("/healthz", async (c) => ((await knot.isUp()) ? c.text("ok\n") : c.text("knotd is down\n", 503)));
  app.use(`${BASE}/*`, async (c, next) => {
    authorize(c, options);
    await next();
  });
  app.route(`${BASE}/domains`, domains(options));
  app.route(`${BASE}/domains/:fqdn/snapshots`, snapshots(options));
  app.route(`${BASE}/domains/:fqdn/records`, recordLists(options));
  app.route(`${BASE}/domains/:fqdn/records`, recordSets(options));
  return app;
}

function domains({ knot, log }: ApiOptions) {
  const href = (c: Context, fqdn: string) => `${origin(c)}/domains/${fqdn}`;
  return new Hono()
    .get("/", (c) =>
      paged(
        c,
        knot.zones().map((fqdn) => ({ fqdn, domain_href: href(c, fqdn) })),
      ),
    )
    .post("/", async (c) => {
      const { fqdn } = await bodyOf(c, NewDomain);
      if (!(await knot.addZone(fqdn))) throw answers.conflict(`The domain ${fqdn} already exists`);
      log("livedns.domain", { fqdn });
      return c.json({ message: "Domain Created" }, 201, { location: href(c, fqdn) });
    })
    .get("/:fqdn", (c) => {
      const fqdn = zoneOf(c, knot);
      const links = { domain_href: href(c, fqdn), domain_records_href: `${href(c, fqdn)}/records` };
      return c.json({ fqdn, automatic_snapshots: false, ...links });
    })
    .get("/:fqdn/nameservers", async (c) => {
      const zone = zoneOf(c, knot);
      const [ns] = await knot.read(zone, `${zone}.`, "NS");
      return c.json((ns?.values ?? []).map((host) => host.replace(/\.$/, "")));
    });
}
