/** The mailbox of who is signed in: every request to the operator carries the session's uid, never one of the browser. */
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import encodeQR from "qr";
import { z } from "zod";
import { OperatorError } from "../operator/client.ts";
import { type PersonRequest, RequestId, type RequestView } from "../operator/protocol.ts";
import { type Ctx, clientOf, type PortalDeps, type PortalEnv, readForm, show, viewOf } from "./context.ts";
import type { Notice } from "./layout.ts";
import { mobileAccount } from "./mail-program.ts";
import { lookUpMx } from "./mx.ts";
import { deletedPage, deletePage } from "./pages/delete.ts";
import { faultOf, Refusal } from "./pages/fault.ts";
import { logPage, mailboxPage } from "./pages/mailbox.ts";
import { newMailboxPage } from "./pages/new-mailbox.ts";
import { progressEvent, progressPage } from "./pages/progress.ts";
import { checkPassword } from "./sign-in.ts";

const csrf = z.string();
const LOCAL = /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/;
const local = z.string().trim().toLowerCase().max(64);
const domain = z.string().max(253);
const NewForm = z.strictObject({ csrf, local, domain });
const AddressForm = z.strictObject({ csrf, address: z.string().max(254) });
const ForwardForm = z.strictObject({ csrf, forward: z.string().trim().max(254) });
const DeleteForm = z.strictObject({
  csrf,
  address: z.string().trim().max(254),
  password: z.string().min(1).max(256),
});

type Status = 200 | 400 | 409 | 429 | 503;

/** The page of a person's mailbox, whatever state that is in. */
export async function showMailbox(c: Ctx, deps: PortalDeps, told?: Notice, status: Status = 200) {
  const person = await deps.operator.person(c.get("session").uid);
  if (person.state === "none") {
    if (told) return showNew(c, deps, { local: "", told, status });
    return c.redirect(person.pending ? `/progress/${person.pending}` : "/new", 303);
  }
  const view = viewOf(c);
  if (person.state === "active") {
    const usage = await deps.usage(person.uid);
    return show(c, mailboxPage(view, { person, usage, servers: deps.settings.servers, told }), status);
  }
  const today = new Date(deps.clock.now()).toISOString().slice(0, 10);
  return show(c, deletedPage(view, person, today, told), status);
}

async function showNew(
  c: Ctx,
  deps: PortalDeps,
  given: { local: string; domain?: string | undefined; told?: Notice; status?: Status },
) {
  const person = await deps.operator.person(c.get("session").uid);
  if (person.state !== "none") return c.redirect("/mailbox", 303);
  // While they choose; a page waits for nothing of it.
  void deps.operator.prepare().catch(() => undefined);
  const chosen = person.domains.find((each) => each === given.domain) ?? person.domains[0] ?? "";
  const mx = await lookUpMx(chosen, deps.dns, deps.settings.mxHosts);
  const choice = { local: given.local, domain: chosen };
  return show(c, newMailboxPage(viewOf(c), { person, choice, mx, told: given.told }), given.status);
}

export function mailboxRoutes(deps: PortalDeps): Hono<PortalEnv> {
  const app = new Hono<PortalEnv>();
  app.get("/mailbox", (c) => showMailbox(c, deps));
  app.get("/new", (c) => showNew(c, deps, { local: c.get("session").uid, domain: c.req.query("domain") }));
  app.get("/address", async (c) => {
    const verdict = await judge(c, deps, {
      local: c.req.query("local") ?? "",
      domain: c.req.query("domain") ?? "",
    });
    return c.json({ free: verdict.kind === "good", text: viewOf(c).say(verdict.key, verdict.values) });
  });
  app.post("/new", async (c) => {
    const wanted = await readForm(c, NewForm);
    const told = await judge(c, deps, wanted);
    if (told.kind === "bad") return showNew(c, deps, { ...wanted, told, status: 400 });
    return submit(c, deps, { kind: "create", address: `${wanted.local}@${wanted.domain}` });
  });
  app.post("/aliases/add", async (c) => {
    const wanted = await readForm(c, NewForm);
    const told = await judge(c, deps, wanted);
    if (told.kind === "bad") return showMailbox(c, deps, told, 400);
    const { aliases } = await deps.operator.person(c.get("session").uid);
    return submit(c, deps, { kind: "update", aliases: [...aliases, `${wanted.local}@${wanted.domain}`] });
  });
  app.post("/aliases/remove", async (c) => {
    const { address } = await readForm(c, AddressForm);
    const { aliases } = await deps.operator.person(c.get("session").uid);
    if (!aliases.includes(address)) throw new Refusal(404, "fault.absent");
    return submit(c, deps, { kind: "update", aliases: aliases.filter((each) => each !== address) });
  });
  app.post("/forward", async (c) => {
    const { forward } = await readForm(c, ForwardForm);
    return submit(c, deps, { kind: "update", forward: forward === "" ? null : forward });
  });
  app.post("/test-mail", (c) => sendTestMail(c, deps));
  app.post("/restart", (c) => submit(c, deps, { kind: "restart" }));
  app.get("/log", async (c) => show(c, logPage(viewOf(c), await deps.operator.log(c.get("session").uid))));
  app.get("/phone.svg", async (c) => {
    const person = await deps.operator.person(c.get("session").uid);
    if (person.state !== "active") throw new Refusal(404, "fault.absent");
    const picture = encodeQR(mobileAccount(person, deps.settings.servers), "svg", { ecc: "low", border: 4 });
    return c.body(picture, 200, { "content-type": "image/svg+xml" });
  });
  progressRoutes(app, deps);
  deleteRoutes(app, deps);
  return app;
}

function progressRoutes(app: Hono<PortalEnv>, deps: PortalDeps): void {
  app.get("/progress/:id", async (c) => {
    const request = await ownRequest(c, deps);
    const made = request.kind === "create" && request.state === "done";
    const person = made ? await deps.operator.person(request.uid) : undefined;
    const { servers } = deps.settings;
    return show(c, progressPage(viewOf(c), request, person && { person, servers }));
  });
  app.get("/progress/:id/events", async (c) => {
    const { id } = await ownRequest(c, deps);
    const { say } = viewOf(c);
    return streamSSE(c, async (stream) => {
      const left = new AbortController();
      stream.onAbort(() => left.abort());
      try {
        for await (const view of deps.operator.events(id, left.signal))
          await stream.writeSSE({ data: JSON.stringify(progressEvent(say, view)) });
      } catch (error) {
        // The browser asks again by itself after a pause.
        if (!left.signal.aborted) deps.log.warn("portal.failed", { path: c.req.path, error });
      }
    });
  });
}

function deleteRoutes(app: Hono<PortalEnv>, deps: PortalDeps): void {
  app.get("/delete", async (c) => {
    const person = await deps.operator.person(c.get("session").uid);
    return person.state === "active"
      ? show(c, deletePage(viewOf(c), person, deps.clock.now()))
      : c.redirect("/mailbox", 303);
  });
  app.post("/delete", async (c) => {
    const { address, password } = await readForm(c, DeleteForm);
    const { uid } = c.get("session");
    const person = await deps.operator.person(uid);
    const refuse = (told: Notice) => show(c, deletePage(viewOf(c), person, deps.clock.now(), told), 400);
    const [own = ""] = person.addresses;
    if (address.toLowerCase() !== own)
      return refuse({ kind: "bad", key: "delete.mistyped", values: { address: own } });
    const checked = await checkPassword({ login: uid, password, client: clientOf(c) }, deps);
    if (checked.kind !== "person")
      return refuse({ kind: "bad", key: checked.kind === "locked" ? "signIn.locked" : "password.wrong" });
    return submit(c, deps, { kind: "delete" });
  });
  app.post("/delete/cancel", (c) => submit(c, deps, { kind: "cancel-delete" }));
}

async function sendTestMail(c: Ctx, deps: PortalDeps) {
  const { uid, state, addresses } = await deps.operator.person(c.get("session").uid);
  const [address] = addresses;
  if (state !== "active" || address === undefined) throw new Refusal(404, "fault.absent");
  const outcome = await deps.sendTestMail({ uid, address }, viewOf(c).language);
  const kind = outcome === "sent" ? "good" : "bad";
  const status = ({ sent: 200, limited: 429, failed: 503 } as const)[outcome];
  return showMailbox(c, deps, { kind, key: `testMail.${outcome}`, values: { address } }, status);
}

/** Somebody else's request looks like none. */
async function ownRequest(c: Ctx, { operator }: PortalDeps): Promise<RequestView> {
  const id = RequestId.safeParse(c.req.param("id"));
  const found = id.success ? await operator.request(id.data) : undefined;
  if (found === undefined || found.uid !== c.get("session").uid) throw new Refusal(404, "fault.absent");
  return found;
}

type Wish = PersonRequest extends infer Each ? (Each extends unknown ? Omit<Each, "uid"> : never) : never;

async function submit(c: Ctx, deps: PortalDeps, wish: Wish) {
  const { uid } = c.get("session");
  try {
    const id = await deps.operator.submit({ ...wish, uid } as PersonRequest);
    deps.log.info("portal.asked", { uid, kind: wish.kind, request: id });
    return c.redirect(`/progress/${id}`, 303);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const { status, key } = faultOf(error);
    if (status !== 409 && status !== 400) throw error;
    return showMailbox(c, deps, { kind: "bad", key }, status);
  }
}

/** Whether an address can be had by who is signed in, in words. */
async function judge(
  c: Ctx,
  { operator, settings }: PortalDeps,
  wanted: { readonly local: string; readonly domain: string },
): Promise<Notice> {
  const typed = local.safeParse(wanted.local);
  if (!typed.success || !LOCAL.test(typed.data)) return { kind: "bad", key: "address.malformed" };
  if (!settings.domains.includes(wanted.domain)) return { kind: "bad", key: "address.foreign" };
  const address = `${typed.data}@${wanted.domain}`;
  const { free, reason } = await operator.address(c.get("session").uid, address);
  if (free) return { kind: "good", key: "address.free", values: { address } };
  return { kind: "bad", key: `address.${reason ?? "taken"}`, values: { address } };
}
