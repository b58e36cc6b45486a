/** What concerns the person rather than their mailbox: sessions and the password. */
import { Hono } from "hono";
import { z } from "zod";
import {
  clientOf,
  dropSession,
  giveSession,
  type PortalDeps,
  type PortalEnv,
  readForm,
  show,
  viewOf,
} from "./context.ts";
import { showMailbox } from "./mailbox-routes.ts";
import { toldPage } from "./pages/told.ts";
import { passwordFault } from "./password-policy.ts";
import { checkPassword } from "./sign-in.ts";
import type { WordKey } from "./words.ts";

const secret = z.string().min(1).max(256);
const csrf = z.string();
const PasswordForm = z.strictObject({ csrf, current: secret, next: secret, again: secret });

export function accountRoutes(deps: PortalDeps): Hono<PortalEnv> {
  const { sessions, directory, log } = deps;
  const app = new Hono<PortalEnv>();
  app.post("/sign-out", (c) => {
    const session = c.get("session");
    sessions.end(session);
    dropSession(c);
    log.info("portal.signed-out", { uid: session.uid, others: 0 });
    return c.redirect("/sign-in", 303);
  });
  app.post("/sessions/end-others", async (c) => {
    const session = c.get("session");
    log.info("portal.signed-out", { uid: session.uid, others: sessions.endOthers(session) });
    return show(c, toldPage(viewOf(c), "sessions.title", { kind: "good", key: "sessions.ended" }));
  });
  app.post("/password", async (c) => {
    const { current, next, again } = await readForm(c, PasswordForm);
    const session = c.get("session");
    const { uid } = session;
    const refuse = (key: WordKey) => showMailbox(c, deps, { kind: "bad", key }, 400);
    const fault = passwordFault({ uid, current, next, again });
    if (fault) return refuse(`password.${fault}`);
    const checked = await checkPassword({ login: uid, password: current, client: clientOf(c) }, deps);
    if (checked.kind === "locked") return refuse("signIn.locked");
    if (checked.kind === "wrong") return refuse("password.wrong");
    // What failed on its way may have been done all the same.
    const outcome = await directory.changePassword(uid, current, next).catch((error: unknown) => {
      log.error("portal.failed", { path: c.req.path, error });
      return "unsure" as const;
    });
    if (outcome === "refused") return refuse("password.wrong");
    if (outcome === "unsure") {
      const told = { kind: "bad", key: "password.unsure" } as const;
      return show(c, toldPage(viewOf(c), "password.title", told), 503);
    }
    sessions.endOthers(session);
    // A cookie that was copied ends as well.
    sessions.end(session);
    const fresh = sessions.begin(session);
    giveSession(c, fresh.token);
    c.set("session", fresh.session);
    log.info("portal.password", { uid });
    return show(c, toldPage(viewOf(c), "password.title", { kind: "good", key: "password.changed" }));
  });
  return app;
}
