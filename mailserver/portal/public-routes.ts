/** What anybody may fetch: style and script, the settings of mail programs, the MTA-STS policy. */
import { type Context, Hono } from "hono";
import { ASSETS, type PortalDeps, type PortalEnv } from "./context.ts";
import { autoconfig, autodiscover, autodiscoverAddress } from "./mail-program.ts";
import { SCRIPT, STYLE } from "./style.ts";

const FOREVER = "public, max-age=31536000, immutable";

export function publicRoutes({ settings }: Pick<PortalDeps, "settings">): Hono<PortalEnv> {
  const { domains, servers, mtaStsPolicies } = settings;
  const config = autoconfig(domains, servers);
  const file = (type: string, text: string, cache: string) => (c: Context) =>
    c.body(text, 200, { "content-type": `${type}; charset=utf-8`, "cache-control": cache });
  const app = new Hono<PortalEnv>();
  app.get(ASSETS.style, file("text/css", STYLE, FOREVER));
  app.get(ASSETS.script, file("text/javascript", SCRIPT, FOREVER));
  for (const path of ["/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"])
    app.get(path, file("application/xml", config, "no-store"));
  for (const path of ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"])
    app.post(path, async (c) => {
      const address = autodiscoverAddress(await c.req.text(), domains);
      if (address === undefined) return c.text("no address of ours\n", 404);
      return c.body(autodiscover(address, servers), 200, {
        "content-type": "application/xml; charset=utf-8",
      });
    });
  const policies = new Map(
    Object.entries(mtaStsPolicies).map(([domain, text]) => [`mta-sts.${domain}`, text]),
  );
  app.get("/.well-known/mta-sts.txt", (c) => {
    // RFC 8461 section 3.3: senders ask the policy host by its name.
    const policy = policies.get(new URL(c.req.url).hostname.replace(/\.$/, ""));
    return policy === undefined
      ? c.text("no policy of this name\n", 404)
      : file("text/plain", policy, "no-store")(c);
  });
  return app;
}
