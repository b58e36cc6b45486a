/** What came of a form, when that is all there is to say: nobody need be asked for it, so that no fault can hide it. */
import { html } from "hono/html";
import { type Notice, notice, type PageContent, type View } from "../layout.ts";
import type { WordKey } from "../words.ts";

export function toldPage({ say }: View, title: WordKey, told: Notice): PageContent {
  return {
    title: say(title),
    narrow: true,
    body: html`${notice(say, told)}<p><a href="/">${say("fault.back")}</a></p>`,
  };
}
