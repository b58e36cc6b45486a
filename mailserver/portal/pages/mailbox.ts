/** A person's own mailbox, and what they may do with it. */
import { html } from "hono/html";
import type { PortalSettings } from "../../contract.ts";
import type { PersonView, UsageView } from "../../operator/protocol.ts";
import { field, form, type Html, type Notice, notice, type PageContent, type View } from "../layout.ts";
import { size } from "../words.ts";

/** The share of its quota from which a mailbox gets a warning. */
const FILLING = 0.8;

export interface MailboxFacts {
  readonly person: PersonView;
  readonly usage: UsageView | undefined;
  readonly servers: PortalSettings["servers"];
  readonly told?: Notice | undefined;
}

export function mailboxPage(view: View, { person, usage, servers, told }: MailboxFacts): PageContent {
  const { say } = view;
  const pending = person.pending
    ? html`<p class="note">${say("own.pending")} <a href="/progress/${person.pending}">${say("own.follow")}</a></p>`
    : "";
  return {
    title: say("mailbox"),
    body: html`${notice(say, told)}${pending}
<section><h2>${say("own.addresses")}</h2><ul class="plain">${person.addresses.map((each) => html`<li>${each}</li>`)}</ul>${space(view, person, usage)}${testMail(view, "quiet")}</section>
${setUp(view, person, servers)}${aliases(view, person)}${forwarding(view, person)}${passwordSection(view)}
<section><h2>${say("sessions.title")}</h2><p class="hint">${say("sessions.hint")}</p>${form(view, "/sessions/end-others", html`<button class="quiet">${say("sessions.end")}</button>`)}</section>
<section><h2>${say("restart.title")}</h2><p class="hint">${say("restart.hint")}</p>${form(view, "/restart", html`<button class="quiet">${say("restart.do")}</button>`)}<p><a href="/log">${say("log.show")}</a></p></section>
<section><h2>${say("delete.title")}</h2><p><a href="/delete">${say("delete.open")}</a></p></section>`,
  };
}

/** With a bar where there is a limit. */
function space({ say, language }: View, { quota }: PersonView, usage: UsageView | undefined): Html {
  if (usage === undefined) return html`<p>${say("own.quota", { quota })}</p>`;
  const { used, limit } = usage;
  const inWords = (bytes: number) => size(bytes, language);
  if (limit === null) return html`<p>${say("own.used", { used: inWords(used) })}</p>`;
  const text = say("own.usedOf", { used: inWords(used), limit: inWords(limit) });
  return html`<p id="space">${text}</p><meter aria-labelledby="space" max="${limit}" high="${limit * FILLING}" value="${used}"></meter>`;
}

/** A button that sends the person a mail. */
export function testMail(view: View, look = ""): Html {
  const { say } = view;
  return html`${form(view, "/test-mail", html`<button class="${look}">${say("testMail.do")}</button>`)}<p class="hint">${say("testMail.hint")}</p>`;
}

/** What a mail program wants to know. */
export function setUp(
  { say }: View,
  { uid, addresses }: PersonView,
  servers: PortalSettings["servers"],
): Html {
  const { imap, smtp, sieve } = servers;
  const row = (what: string, host: string, port: number, security: string) =>
    html`<tr><th scope="row">${what}</th><td>${host}<br><span class="hint">${say("setup.at", { port: String(port), security })}</span></td></tr>`;
  const file = new URLSearchParams({ emailaddress: addresses[0] ?? uid });
  return html`<section><h2>${say("setup.title")}</h2><p>${say("setup.hint")}</p>
<table><thead><tr><th scope="col">${say("setup.what")}</th><th scope="col">${say("setup.server")}</th></tr></thead><tbody>
${row(say("setup.receive"), imap.host, imap.imaps, "SSL/TLS")}${row(say("setup.send"), smtp.host, smtp.submissions, "SSL/TLS")}${row(say("setup.filters"), imap.host, sieve, "STARTTLS")}</tbody></table>
<p>${say("setup.user")}: <strong>${addresses[0] ?? uid}</strong></p><p><a href="/mail/config-v1.1.xml?${file.toString()}">${say("setup.file")}</a></p>
<details><summary>${say("setup.phone")}</summary><p class="hint">${say("setup.scan")}</p><img class="qr" src="/phone.svg" alt="${say("setup.picture")}" width="240" height="240" loading="lazy"></details></section>`;
}

function aliases(view: View, { aliases: own, aliasLimit, domains }: PersonView): Html {
  const { say } = view;
  const list = own.map(
    (each) =>
      html`<li>${each}${form(view, "/aliases/remove", html`<input type="hidden" name="address" value="${each}"><button class="quiet" aria-label="${say("alias.removeThis", { address: each })}">${say("alias.remove")}</button>`)}</li>`,
  );
  const add = html`<div class="row"><div>${field("local", say("new.local"), html`autocomplete="off" autocapitalize="none" required maxlength="64"`)}</div>
<div><label for="domain">${say("new.domain")}</label><select id="domain" name="domain">${domains.map((each) => html`<option>${each}</option>`)}</select></div></div>
<p id="verdict" class="hint" role="status"></p><button>${say("alias.add")}</button>`;
  return html`<section><h2>${say("alias.title")}</h2><p class="hint">${say("alias.hint", { limit: String(aliasLimit) })}</p>
${own.length === 0 ? html`<p>${say("alias.none")}</p>` : html`<ul class="plain">${list}</ul>`}${own.length < aliasLimit ? form(view, "/aliases/add", add) : ""}</section>`;
}

function forwarding(view: View, { forward }: PersonView): Html {
  const { say } = view;
  return html`<section><h2>${say("forward.title")}</h2>${form(
    view,
    "/forward",
    html`${field("forward", say("forward.label"), html`type="email" maxlength="254" value="${forward ?? ""}"`, say("forward.hint"))}<button>${say("forward.save")}</button>`,
  )}</section>`;
}

/** Also for those who have no mailbox yet. */
export function passwordSection(view: View): Html {
  const { say } = view;
  const secret = (use: string) => html`type="password" autocomplete="${use}" required maxlength="256"`;
  return html`<section><h2>${say("password.title")}</h2>${form(
    view,
    "/password",
    html`${field("current", say("password.current"), secret("current-password"))}${field("next", say("password.next"), secret("new-password"), say("password.hint"))}${field("again", say("password.again"), secret("new-password"))}<button>${say("password.save")}</button>`,
  )}</section>`;
}

export function logPage({ say }: View, text: string): PageContent {
  return {
    title: say("log.show"),
    body: html`${text.trim() === "" ? html`<p>${say("log.empty")}</p>` : html`<pre tabindex="0">${text}</pre>`}<p><a href="/mailbox">${say("fault.back")}</a></p>`,
  };
}
