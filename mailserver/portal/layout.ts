/** The frame of every page. `html` escapes what is put in, so no text of a person or the operator becomes markup. */
import { html } from "hono/html";
import { LANGUAGES, type Language, type Say, WORDS, type WordKey } from "./words.ts";

export type Html = ReturnType<typeof html>;

/** What every page needs to know of who looks at it. */
export interface View {
  readonly say: Say;
  readonly language: Language;
  readonly path: string;
  /** Of who is signed in. */
  readonly csrf: string | undefined;
}

/** The path of style and script; `version` changes with their content. */
export interface Assets {
  readonly style: string;
  readonly script: string;
}

export interface PageContent {
  readonly title: string;
  readonly body: Html;
  readonly narrow?: boolean;
  /** Seconds after which a browser without JavaScript asks again. */
  readonly refresh?: number;
}

export function page(view: View, assets: Assets, { title, body, narrow, refresh }: PageContent): Html {
  const { say, language, csrf } = view;
  return html`<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – ${say("product")}</title><link rel="stylesheet" href="${assets.style}"><link rel="icon" href="data:,">
${refresh ? html`<noscript><meta http-equiv="refresh" content="${refresh}"></noscript>` : ""}
<script src="${assets.script}" type="module"></script></head>
<body><a class="skip" href="#main">${say("skip")}</a>
<header><div><strong>${say("product")}</strong>${languageSwitch(view)}${
    csrf === undefined ? "" : form(view, "/sign-out", html`<button class="quiet">${say("signOut")}</button>`)
  }</div></header>
<main id="main"${narrow ? html` class="narrow"` : ""}><h1>${title}</h1>${body}</main></body></html>`;
}

function languageSwitch({ language, path }: View): Html {
  return html`<form method="post" action="/language"><input type="hidden" name="back" value="${path}">${LANGUAGES.filter(
    (each) => each !== language,
  ).map(
    (each) =>
      html`<button class="quiet" name="language" value="${each}" lang="${each}">${WORDS[each].language}</button>`,
  )}</form>`;
}

/** A form that carries the session's token. */
export function form({ csrf }: Pick<View, "csrf">, action: string, content: Html): Html {
  return html`<form method="post" action="${action}">${
    csrf === undefined ? "" : html`<input type="hidden" name="csrf" value="${csrf}">`
  }${content}</form>`;
}

/** A field with its label. */
export function field(name: string, label: string, attributes: Html, hint?: string): Html {
  return html`<label for="${name}">${label}</label><input id="${name}" name="${name}" ${attributes}${
    hint === undefined ? "" : html` aria-describedby="${name}-hint"`
  }>${hint === undefined ? "" : html`<p class="hint" id="${name}-hint">${hint}</p>`}`;
}

export type Notice = {
  readonly kind: "good" | "bad";
  readonly key: WordKey;
  readonly values?: Record<string, string>;
};

/** What came of the last form; read out at once. */
export function notice(say: Say, told: Notice | undefined): Html | string {
  if (told === undefined) return "";
  return html`<p class="note ${told.kind}" role="${told.kind === "bad" ? "alert" : "status"}">${say(told.key, told.values)}</p>`;
}
