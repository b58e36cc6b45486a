/** The operator's end of the protocol: HTTP/1.1 over a Unix socket. */
import { chmodSync, existsSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Log } from "../mailserver/net/log.ts";
import { MAX_BODY, PersonId, PersonRequest, RequestId } from "../mailserver/operator/protocol.ts";
import type { Operator } from "./operator.ts";
import { Refusal } from "./refusal.ts";

/** The routes. `ending` ends the streams that are open. */
export function routes(operator: Operator, options: { log: Log; ending: AbortSignal }): Hono {
  const app = new Hono();
  app.get("/people/:uid", (c) => c.json(operator.person(personOf(c))));
  app.get("/people/:uid/usage", async (c) => c.json(await operator.usage(personOf(c))));
  app.get("/people/:uid/log", async (c) => c.text(await operator.log(personOf(c))));
  app.get("/people/:uid/addresses/:address", (c) =>
    c.json(operator.address(personOf(c), c.req.param("address"))),
  );
  app.post(
    "/requests",
    bodyLimit({
      maxSize: MAX_BODY,
      onError: () => {
        throw tooLarge();
      },
    }),
    async (c) => {
      const body: unknown = await c.req.json().catch(() => undefined);
      const wanted = PersonRequest.safeParse(body);
      if (!wanted.success)
        throw malformed(wanted.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`));
      return c.json({ id: operator.submit(wanted.data) }, 202);
    },
  );
  app.post("/prepare", (c) => {
    operator.prepare();
    return c.body(null, 204);
  });
  app.get("/requests/:id", (c) => c.json(operator.request(requestOf(c))));
  app.get("/requests/:id/events", (c) => {
    const id = requestOf(c);
    operator.request(id);
    const signal = AbortSignal.any([options.ending, c.req.raw.signal]);
    return c.body(lines(operator, id, signal), 200, { "content-type": "application/x-ndjson" });
  });
  app.notFound((c) => c.json({ code: "malformed", detail: "There is no such resource." }, 404));
  app.onError((error, c) => {
    if (error instanceof Refusal) return c.json(error.fault, error.status);
    options.log.error("operator.failed", { error });
    return c.json({ code: "unavailable", detail: "The operator failed; its log has the cause." }, 503);
  });
  return app;
}

function lines(operator: Operator, id: string, signal: AbortSignal): ReadableStream<Uint8Array> {
  const views = operator.watch(id, signal);
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await views.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      } catch {
        // The reader went away, or the operator ends; the reader sees that the last event was none of an end.
        controller.close();
      }
    },
    cancel: async () => void (await views.return(undefined)),
  });
}

function malformed(problems: readonly string[]): Refusal {
  return new Refusal("malformed", problems.slice(0, 5).join("; ").slice(0, 500));
}

function tooLarge(): Refusal {
  return malformed([`a request has ${MAX_BODY} bytes at most`]);
}

function personOf(c: Context): string {
  const uid = PersonId.safeParse(c.req.param("uid"));
  if (!uid.success) throw new Refusal("unknown-person", "That is no uid.");
  return uid.data;
}

function requestOf(c: Context): string {
  const id = RequestId.safeParse(c.req.param("id"));
  if (!id.success) throw new Refusal("unknown-request", "That is no id of a request.");
  return id.data;
}

/** Listens on the socket; who may reach it is said by who has its folder. Refuses to take it from an operator that is alive. */
export async function listen(app: Hono, socket: string): Promise<{ close(): Promise<void> }> {
  if (existsSync(socket)) {
    if (await answers(socket)) throw new Error(`another operator listens on ${socket}`);
    rmSync(socket);
  }
  const server = createAdaptorServer({ fetch: app.fetch });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(socket, () => resolve());
  });
  chmodSync(socket, 0o666);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeIdleConnections" in server) server.closeIdleConnections();
      }),
  };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket)
      .once("connect", () => {
        probe.destroy();
        resolve(true);
      })
      .once("error", () => resolve(false));
  });
}
