/** What every route works with. */
import { createHash } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { z } from "zod";
import type { PortalSettings } from "../contract.ts";
import type { Accounts } from "../directory/directory.ts";
import type { MxRecords } from "../dns/resolver.ts";
import type { Log } from "../net/log.ts";
import type { OperatorClient } from "../operator/client.ts";
import { plainAddress } from "../policy/client-network.ts";
import type { LoginGuard } from "../policy/login-guard.ts";
import type { Clock } from "../queue/clock.ts";
import { type PageContent, page, type View } from "./layout.ts";
import { Refusal } from "./pages/fault.ts";
import type { Presence } from "./presence.ts";
import type { Session, Sessions } from "./sessions.ts";
import { SCRIPT, STYLE } from "./style.ts";
import type { SendTestMail } from "./test-mail.ts";
import type { Usage } from "./usage.ts";
import { chooseLanguage, type Language, sayIn } from "./words.ts";

export interface PortalDeps {
  readonly settings: Pick<PortalSettings, "domains" | "mxHosts" | "servers" | "mtaStsPolicies">;
  readonly directory: Accounts;
  readonly isThere: Presence;
  readonly operator: OperatorClient;
  readonly usage: Usage;
  readonly sendTestMail: SendTestMail;
  readonly dns: MxRecords;
  readonly sessions: Sessions;
  readonly guard: LoginGuard;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PortalEnv {
  Bindings: HttpBindings;
  Variables: { session: Session };
}
export type Ctx = Context<PortalEnv>;

/** RFC 6265bis section 4.1.3.2: a `__Host-` cookie is of this host alone, and came over TLS. */
const COOKIE = { path: "/", secure: true, httpOnly: true, sameSite: "Strict", prefix: "host" } as const;
const SESSION = "session";
const LANGUAGE = "language";
const YEAR = 31_536_000;

export const sessionToken = (c: Ctx): string | undefined => getCookie(c, SESSION, "host");
export const giveSession = (c: Ctx, token: string): void => setCookie(c, SESSION, token, COOKIE);
export const dropSession = (c: Ctx): void => void deleteCookie(c, SESSION, COOKIE);
export const keepLanguage = (c: Ctx, language: Language): void =>
  setCookie(c, LANGUAGE, language, { ...COOKIE, maxAge: YEAR });

const versioned = (name: string, text: string): string => {
  const [stem, ending] = name.split(".");
  return `/${stem}-${createHash("sha256").update(text).digest("hex").slice(0, 12)}.${ending}`;
};
export const ASSETS = { style: versioned("style.css", STYLE), script: versioned("script.js", SCRIPT) };

export function viewOf(c: Ctx): View {
  const language = chooseLanguage(getCookie(c, LANGUAGE, "host"), c.req.header("accept-language"));
  const session = c.get("session") as Session | undefined;
  // A page that was the answer to a form has no address of its own.
  const path = c.req.method === "GET" ? c.req.path : "/";
  return { language, say: sayIn(language), path, csrf: session?.csrf };
}

export async function show(
  c: Ctx,
  content: PageContent,
  status: 200 | 400 | 403 | 404 | 409 | 413 | 429 | 500 | 503 = 200,
) {
  return c.html(await page(viewOf(c), ASSETS, content), status);
}

/** All forms of ours come so; others are parsed by nobody. */
export function requireForm(c: Ctx): void {
  const type = c.req.header("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) throw new Refusal(400, "fault.input");
}

/** The fields of a form, checked; a file, a list or a field that isn't asked for is none. */
export async function readForm<T extends z.ZodType>(c: Ctx, schema: T): Promise<z.output<T>> {
  requireForm(c);
  const result = schema.safeParse(await c.req.parseBody({ all: true }));
  if (!result.success) throw new Refusal(400, "fault.input");
  return result.data;
}

/** The address that is counted against; behind a published port it is the one the engine shows. */
export const clientOf = (c: Ctx): string => plainAddress(c.env.incoming.socket.remoteAddress);
