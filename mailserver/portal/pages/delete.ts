/** Giving a mailbox up, and taking that back. */
import { html } from "hono/html";
import type { PersonView } from "../../operator/protocol.ts";
import { field, form, type Notice, notice, type PageContent, type View } from "../layout.ts";

const DAY_MS = 86_400_000;

/** `now` in milliseconds since 1970. */
export function deletePage(view: View, person: PersonView, now: number, told?: Notice): PageContent {
  const { say } = view;
  const address = person.addresses[0] ?? "";
  const lost = [...person.addresses, ...person.aliases];
  const { retentionDays: days } = person;
  const day = new Date(now + days * DAY_MS).toISOString().slice(0, 10);
  const fate = days === 0 ? say("delete.notKept") : say("delete.kept", { days: String(days), day });
  const fields = html`${field("address", say("delete.address", { address }), html`autocomplete="off" autocapitalize="none" required maxlength="254"`)}
${field("password", say("password"), html`type="password" autocomplete="current-password" required maxlength="256"`)}<button class="danger">${say("delete.do")}</button>`;
  return {
    title: say("delete.title"),
    body: html`${notice(say, told)}<section><p>${say("delete.lost")}</p><p>${say("delete.list")}</p><ul>${lost.map((each) => html`<li>${each}</li>`)}</ul><p>${fate}</p></section>
<section>${form(view, "/delete", fields)}</section><p><a href="/mailbox">${say("fault.back")}</a></p>`,
  };
}

export function deletedPage(
  view: View,
  { keptUntil }: PersonView,
  today: string,
  told?: Notice,
): PageContent {
  const { say } = view;
  const open = keptUntil !== null && today <= keptUntil;
  return {
    title: say("deleted.title"),
    body: html`${notice(say, told)}<section><p>${open ? say("deleted.until", { day: keptUntil }) : say("deleted.over")}</p>${
      open ? form(view, "/delete/cancel", html`<button>${say("deleted.back")}</button>`) : ""
    }</section>`,
  };
}
