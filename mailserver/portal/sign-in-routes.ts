/** Coming in, and the choice of the language: what works without a session. */
import { Hono } from "hono";
import { z } from "zod";
import {
  clientOf,
  giveSession,
  keepLanguage,
  type PortalDeps,
  type PortalEnv,
  readForm,
  sessionToken,
  show,
  viewOf,
} from "./context.ts";
import { signInPage } from "./pages/sign-in.ts";
import { checkPassword } from "./sign-in.ts";
import { LANGUAGES } from "./words.ts";

const SignInForm = z.strictObject({
  login: z.string().min(1).max(320),
  password: z.string().min(1).max(256),
});
const LanguageForm = z.strictObject({
  language: z.enum(LANGUAGES),
  // A path of ours: `//host` would be another server.
  back: z
    .string()
    .regex(/^\/(?!\/)[a-z0-9/-]*$/)
    .catch("/"),
  csrf: z.string().optional(),
});

export function signInRoutes(deps: PortalDeps): Hono<PortalEnv> {
  const { sessions, log } = deps;
  const app = new Hono<PortalEnv>();
  app.get("/", (c) => c.redirect("/mailbox", 303));
  app.get("/sign-in", (c) => {
    const ended = c.req.query("ended") !== undefined;
    return show(c, signInPage(viewOf(c), ended ? { kind: "bad", key: "signIn.ended" } : undefined));
  });
  app.post("/sign-in", async (c) => {
    const credentials = await readForm(c, SignInForm);
    const result = await checkPassword({ ...credentials, client: clientOf(c) }, deps);
    if (result.kind !== "person") {
      const locked = result.kind === "locked";
      const told = { kind: "bad", key: locked ? "signIn.locked" : "signIn.wrong" } as const;
      return show(c, signInPage(viewOf(c), told), locked ? 429 : 403);
    }
    // Whoever signs in anew in the same browser leaves nothing of the one before.
    const before = sessions.find(sessionToken(c) ?? "");
    if (before) sessions.end(before.session);
    giveSession(c, sessions.begin(result).token);
    log.info("portal.signed-in", { uid: result.uid, client: clientOf(c) });
    return c.redirect("/mailbox", 303);
  });
  app.post("/language", async (c) => {
    const { language, back } = await readForm(c, LanguageForm);
    keepLanguage(c, language);
    return c.redirect(back, 303);
  });
  return app;
}
