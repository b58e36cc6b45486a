/** The portal as a function of requests: who may come in, and under which headers the answers go out. */
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { accountRoutes } from "./account-routes.ts";
import {
  type Ctx,
  dropSession,
  giveSession,
  type PortalDeps,
  type PortalEnv,
  requireForm,
  sessionToken,
  show,
  viewOf,
} from "./context.ts";
import { mailboxRoutes } from "./mailbox-routes.ts";
import { faultOf, faultPage, Refusal } from "./pages/fault.ts";
import { publicRoutes } from "./public-routes.ts";
import { signInRoutes } from "./sign-in-routes.ts";

/** Bytes of a form. */
const MAX_FORM = 16_384;

/** No scripts or styles but our own files, no frames, no foreign requests. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    ...{ defaultSrc: ["'none'"], scriptSrc: ["'self'"], styleSrc: ["'self'"], connectSrc: ["'self'"] },
    ...{
      imgSrc: ["'self'", "data:"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  // With `no-referrer` browsers send no Origin along with a form.
  referrerPolicy: "same-origin",
  xFrameOptions: "DENY",
  crossOriginOpenerPolicy: "same-origin",
  crossOriginResourcePolicy: "same-origin",
  strictTransportSecurity: "max-age=31536000",
  permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
});

export function createPortal(deps: PortalDeps): Hono<PortalEnv> {
  const app = new Hono<PortalEnv>();
  app.onError((error, c) => fault(c, error, deps));
  app.notFound((c) => show(c, faultPage(viewOf(c), "fault.absent"), 404));
  app.use(noLocalHsts, headers, noStore);
  app.use(bodyLimit({ maxSize: MAX_FORM, onError: () => Promise.reject(new Refusal(413, "fault.large")) }));
  app.route("/", publicRoutes(deps));
  app.use(ownOrigin(deps));
  app.route("/", signInRoutes(deps));
  app.use(signedIn(deps), ownForm(deps));
  app.route("/", mailboxRoutes(deps));
  app.route("/", accountRoutes(deps));
  return app;
}

/** A machine's own name is shared by whatever is being developed there: HSTS (RFC 6797) holds for all its ports. */
const noLocalHsts: MiddlewareHandler<PortalEnv> = async (c, next) => {
  await next();
  const { hostname } = new URL(c.req.url);
  if (hostname === "localhost") c.res.headers.delete("strict-transport-security");
};

const noStore: MiddlewareHandler<PortalEnv> = async (c, next) => {
  await next();
  if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
};

/** Every current browser says where a form comes from (Fetch, section 3.2); who doesn't is refused. */
function ownOrigin({ log }: PortalDeps): MiddlewareHandler<PortalEnv> {
  return async (c, next) => {
    const origin = c.req.header("origin");
    if (c.req.method !== "GET" && c.req.method !== "HEAD" && origin !== new URL(c.req.url).origin) {
      log.warn("portal.forged", { path: c.req.path });
      throw new Refusal(403, "fault.forged");
    }
    return next();
  };
}

function signedIn({ sessions, isThere, log }: PortalDeps): MiddlewareHandler<PortalEnv> {
  return async (c, next) => {
    const token = sessionToken(c);
    let found = token === undefined ? undefined : sessions.find(token);
    if (found && !(await isThere(found.session))) {
      log.info("portal.gone", { uid: found.session.uid });
      sessions.end(found.session);
      found = undefined;
    }
    if (found === undefined) {
      if (token !== undefined) dropSession(c);
      return c.redirect(token === undefined ? "/sign-in" : "/sign-in?ended=1", 303);
    }
    c.set("session", found.session);
    if (found.renewed !== undefined) giveSession(c, found.renewed);
    return next();
  };
}

function ownForm({ log }: PortalDeps): MiddlewareHandler<PortalEnv> {
  return async (c, next) => {
    if (c.req.method === "GET" || c.req.method === "HEAD") return next();
    requireForm(c);
    const { csrf } = await c.req.parseBody();
    // Hashes of the session's random token would leak nothing by their time either; it is 256 bits.
    if (csrf !== c.get("session").csrf) {
      log.warn("portal.forged", { path: c.req.path });
      throw new Refusal(403, "fault.forged");
    }
    return next();
  };
}

function fault(c: Ctx, error: unknown, { log }: PortalDeps) {
  const { status, key } = faultOf(error);
  if (status >= 500) log.error("portal.failed", { path: c.req.path, error });
  return show(c, faultPage(viewOf(c), key), status);
}
