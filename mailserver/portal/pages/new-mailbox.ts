/** Choosing an address, beside what DNS says of its domain. */
import { html } from "hono/html";
import type { PersonView } from "../../operator/protocol.ts";
import { field, form, type Html, type Notice, notice, type PageContent, type View } from "../layout.ts";
import type { MxView } from "../mx.ts";

export interface Choice {
  readonly local: string;
  readonly domain: string;
}

export function newMailboxPage(
  view: View,
  { person, choice, mx, told }: { person: PersonView; choice: Choice; mx: MxView; told?: Notice | undefined },
): PageContent {
  const { say } = view;
  const fields = html`<div class="row"><div>${field("local", say("new.local"), html`value="${choice.local}" autocomplete="off" autocapitalize="none" spellcheck="false" required maxlength="64"`, say("new.hint"))}</div>
<div><label for="domain">${say("new.domain")}</label><select id="domain" name="domain">${person.domains.map(
    (each) => html`<option${each === choice.domain ? html` selected` : ""}>${each}</option>`,
  )}</select></div></div><p id="verdict" class="hint" role="status"></p><button>${say("new.create")}</button>`;
  const others = html`<form method="get" action="/new"><label for="shown">${say("new.domain")}</label><select id="shown" name="domain">${person.domains.map(
    (each) => html`<option${each === choice.domain ? html` selected` : ""}>${each}</option>`,
  )}</select><button class="quiet">${say("new.show")}</button></form>`;
  return {
    title: say("new.title"),
    body: html`<p>${say("new.hello", { name: person.name })}</p>${notice(say, told)}
<section>${form(view, "/new", fields)}</section>
<section><h2>${say("mx.title", { domain: choice.domain })}</h2>${records(view, choice.domain, mx)}${person.domains.length > 1 ? others : ""}</section>`,
  };
}

function records({ say }: View, domain: string, mx: MxView): Html {
  if (mx.kind === "failed") return html`<p class="note">${say("mx.failed")}</p>`;
  if (mx.kind === "none") return html`<p class="note bad">${say("mx.none")}</p>`;
  const heads = (["mx.name", "mx.priority", "mx.target", "mx.type", "mx.ttl"] as const).map(
    (key) => html`<th scope="col">${say(key)}</th>`,
  );
  return html`${mx.ours ? "" : html`<p class="note bad">${say("mx.elsewhere")}</p>`}<div class="scroll" tabindex="0" role="region" aria-label="MX"><table><thead><tr>${heads}</tr></thead><tbody>${mx.records.map(
    ({ priority, exchange, ttl }) =>
      html`<tr><td>${domain}</td><td>${priority}</td><td>${exchange}</td><td>MX</td><td>${ttl}</td></tr>`,
  )}</tbody></table></div>`;
}
