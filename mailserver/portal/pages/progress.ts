/** How far a request is. */
import { html } from "hono/html";
import { isOver, type RequestView } from "../../operator/protocol.ts";
import type { PageContent, View } from "../layout.ts";
import type { Say, WordKey } from "../words.ts";

/** Seconds between two looks of a browser without JavaScript. */
const REFRESH = 2;

export function progressPage({ say }: View, request: RequestView): PageContent {
  const over = isOver(request);
  const kind = request.state === "failed" ? "bad" : request.state === "done" ? "good" : "";
  return {
    title: say("progress.title"),
    ...(over ? {} : { refresh: REFRESH }),
    body: html`<p id="state" class="note ${kind}" role="status">${said(say, request)}</p>
<section><ol class="steps"${over ? "" : html` data-events="/progress/${request.id}/events"`}>${request.steps.map(
      ({ name, state }) =>
        html`<li data-step="${name}" data-state="${state}">${say(`step.${name}`)} <span>${say(`step.${state}`)}</span></li>`,
    )}</ol>${over ? "" : html`<p class="hint">${say("progress.hint")}</p>`}</section>
<p><a href="/mailbox">${say("progress.next")}</a></p>`,
  };
}

/** The same as the script wants it. */
export function progressEvent(say: Say, request: RequestView): object {
  return {
    text: said(say, request),
    over: isOver(request),
    steps: request.steps.map(({ name, state }) => ({ name, state, text: say(`step.${state}`) })),
  };
}

function said(say: Say, { state, error }: RequestView): string {
  const key: WordKey =
    error?.code === "needs-administrator" ? "fault.administrator" : (`progress.${state}` as const);
  return say(key);
}
