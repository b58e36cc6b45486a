/** How far a request is. */
import { html } from "hono/html";
import type { PortalSettings } from "../../contract.ts";
import { isOver, type PersonView, type RequestView } from "../../operator/protocol.ts";
import type { Html, PageContent, View } from "../layout.ts";
import type { Say, WordKey } from "../words.ts";
import { wordOfRefusal } from "./fault.ts";
import { setUp, testMail } from "./mailbox.ts";

/** Seconds between two looks of a browser without JavaScript. */
const REFRESH = 2;

/** A mailbox that has just been made. */
interface Made {
  readonly person: PersonView;
  readonly servers: PortalSettings["servers"];
}

export function progressPage(view: View, request: RequestView, made?: Made): PageContent {
  const { say } = view;
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
${made ? welcome(view, made) : ""}<p><a href="/mailbox">${say("progress.next")}</a></p>`,
  };
}

/** What comes next: a first mail, and a program to read it with. */
function welcome(view: View, { person, servers }: Made): Html {
  return html`<section><h2>${view.say("testMail.title")}</h2>${testMail(view)}</section>${setUp(view, person, servers)}`;
}

/** The same as the script wants it. */
export function progressEvent(say: Say, request: RequestView): object {
  return {
    text: said(say, request),
    over: isOver(request),
    steps: request.steps.map(({ name, state }) => ({ name, state, text: say(`step.${state}`) })),
  };
}

function said(say: Say, request: RequestView): string {
  return say(wordOf(request));
}

function wordOf({ state, error }: RequestView): WordKey {
  if (error === null) return `progress.${state}`;
  // That nothing was changed is true again when it is over.
  if (!isOver({ state })) return "progress.undoing";
  return wordOfRefusal(error.code) ?? `progress.${state}`;
}
