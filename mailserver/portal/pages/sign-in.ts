/** Where everything begins. */
import { html } from "hono/html";
import { field, form, type Notice, notice, type PageContent, type View } from "../layout.ts";

export function signInPage(view: View, told?: Notice): PageContent {
  const { say } = view;
  const fields = html`${field("login", say("login"), html`autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="320" autofocus`)}
${field("password", say("password"), html`type="password" autocomplete="current-password" required maxlength="256"`)}
<button>${say("signIn")}</button>`;
  return {
    title: say("signIn"),
    narrow: true,
    body: html`${notice(say, told)}<section>${form(view, "/sign-in", fields)}</section>`,
  };
}
