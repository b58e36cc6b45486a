/** Every page of the portal in a browser: both languages, phone and desktop, light and dark, by keyboard, without JavaScript. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import axe from "axe-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { openBrowser } from "../../support/browser.ts";
import { openLab } from "../../support/docker.ts";
import { type Site, startSite } from "./site.ts";

const SHOTS = join(import.meta.dirname, "../../artefacts/portal");
const LIMIT_BYTES = 60_000;
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1_280, height: 800 } };

/** Every pair of language, size and colours is among them. */
const LOOKS: [name: string, options: BrowserContextOptions][] = [
  ["en-desktop-light", { locale: "en-GB", ...DESKTOP, colorScheme: "light" }],
  ["en-phone-dark", { locale: "en-GB", ...PHONE, colorScheme: "dark" }],
  ["fr-phone-light", { locale: "fr-FR", ...PHONE, colorScheme: "light" }],
  ["fr-desktop-dark", { locale: "fr-FR", ...DESKTOP, colorScheme: "dark" }],
];

const lab = openLab();
let browser: Browser;
let site: Site;
let origin: string;
let request: string;
let made: string;

async function signIn(page: Page, uid: string, password = `${uid}-password`): Promise<void> {
  await page.goto(`${origin}/sign-in`);
  await page.locator("#login").fill(uid);
  await page.locator("#password").fill(password);
  await page.locator("main button").click();
}

const go = (path: string) => (page: Page) => page.goto(`${origin}${path}`);
const showing =
  (progress: Parameters<Site["operator"]["move"]>[1], of = () => request) =>
  async (page: Page) => {
    site.operator.move(of(), progress);
    await page.goto(`${origin}/progress/${of()}`);
  };

/** How to come to each page, and as whom. */
const PAGES: [name: string, uid: string | undefined, open: (page: Page) => Promise<unknown>][] = [
  ["sign-in", undefined, go("/sign-in")],
  ["sign-in-wrong", undefined, (page) => signIn(page, "alice", "wrong")],
  ["new", "bob", go("/new")],
  [
    "new-taken",
    "bob",
    async (page) => {
      await page.goto(`${origin}/new`);
      await page.locator("#local").fill("alice");
      await page.locator("#verdict.refused").waitFor();
    },
  ],
  ["new-elsewhere", "bob", go("/new?domain=example.net")],
  ["progress", "alice", showing({ state: "running", done: 2 })],
  ["progress-failed", "alice", showing({ state: "failed", done: 3 })],
  ["progress-done", "alice", showing({ state: "done", done: 5 })],
  ["created", "alice", showing({ state: "done", done: 5 }, () => made)],
  ["mailbox", "alice", go("/mailbox")],
  [
    "mailbox-test-mail",
    "alice",
    async (page) => {
      await page.goto(`${origin}/mailbox`);
      await page.locator('form[action="/test-mail"] button').click();
      await page.locator(".note").waitFor();
    },
  ],
  [
    "mailbox-telephone",
    "alice",
    async (page) => {
      await page.goto(`${origin}/mailbox`);
      await page.locator("summary").click();
      await page.locator(".qr").evaluate("picture => picture.decode()");
    },
  ],
  ["log", "alice", go("/log")],
  ["delete", "alice", go("/delete")],
  ["deleted", "carol", go("/mailbox")],
  ["absent", "alice", go("/nowhere")],
];

/** A context whose pages must have no fault that a browser can tell, and ask nobody but us. */
async function open(
  options: BrowserContextOptions,
): Promise<{ context: BrowserContext; page: Page; faults: string[] }> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // A page that isn't there is what was asked for.
    if (message.type() === "error" && !/status of 40[34]/.test(message.text())) faults.push(message.text());
  });
  page.on("request", (sent) => {
    const asked = new URL(sent.url()).origin;
    if (asked !== origin && asked !== "null") faults.push(`asks ${asked}`);
  });
  return { context, page, faults };
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate<axe.AxeResults>("axe.run()");
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
}

/** Scripts that run in the page. */
const IS_TOO_WIDE = "document.documentElement.scrollWidth > window.innerWidth";
const USABLE = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']";
const FOCUSED = `[...document.querySelectorAll("${USABLE}")].indexOf(document.activeElement) + " " + getComputedStyle(document.activeElement).outlineStyle`;

describe("the portal in a browser", () => {
  before(async () => {
    site = await startSite();
    request = await site.operator.client.submit({ kind: "restart", uid: "alice" });
    made = await site.operator.client.submit({ kind: "create", uid: "alice", address: "alice@example.org" });
    const opened = await openBrowser(lab);
    browser = opened.browser;
    origin = `https://${opened.host}:${site.port}`;
    await mkdir(SHOTS, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await lab.cleanup();
    await site?.close();
  });

  for (const [look, options] of LOOKS)
    for (const [name, uid, show] of PAGES)
      it(`${name} as ${look} has nothing that axe finds, fits and is of one origin`, async () => {
        const { context, page, faults } = await open(options);
        try {
          if (uid) await signIn(page, uid);
          await show(page);
          await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: true });
          assert.equal(await page.locator("html").getAttribute("lang"), look.slice(0, 2));
          assert.deepEqual(await violations(page), []);
          assert.equal(await page.evaluate(IS_TOO_WIDE), false, "wider than the window");
          assert.deepEqual(faults, []);
        } finally {
          await context.close();
        }
      });

  it("looks as the README shows it", async () => {
    const shots: [
      name: string,
      uid: string,
      options: BrowserContextOptions,
      show: (page: Page) => Promise<unknown>,
    ][] = [
      ["new", "bob", { locale: "en", viewport: { width: 760, height: 740 } }, go("/new")],
      [
        "mailbox",
        "alice",
        { locale: "en", ...PHONE, viewport: { width: 360, height: 1_230 }, colorScheme: "dark" },
        PAGES.find(([name]) => name === "mailbox-telephone")?.[2] ?? go("/"),
      ],
    ];
    for (const [name, uid, options, show] of shots) {
      const { context, page, faults } = await open(options);
      await signIn(page, uid);
      await show(page);
      await page.screenshot({ path: join(SHOTS, `readme-${name}.png`) });
      assert.deepEqual(faults, []);
      await context.close();
    }
  });

  it("weighs little, and is asked for once", async () => {
    const { context, page } = await open({});
    await signIn(page, "alice");
    let bytes = 0;
    page.on("response", async (answer) => {
      bytes += (await answer.body().catch(() => Buffer.alloc(0))).length;
    });
    await page.reload({ waitUntil: "networkidle" });
    await context.close();
    assert.ok(bytes > 0 && bytes <= LIMIT_BYTES, `${bytes} bytes`);
  });

  it("tells while one types whether an address is free, and shows progress as it happens", async () => {
    const { context, page, faults } = await open({ locale: "en" });
    await signIn(page, "bob");
    await page.locator("#local").fill("robert");
    await page.locator("#verdict.free").waitFor();
    await page.locator("main button").first().click();
    await page.waitForURL("**/progress/*");
    const id = page.url().split("/").at(-1) ?? "";
    for (const done of [2, 4]) {
      site.operator.move(id, { state: "running", done });
      await page
        .locator("[data-state=done]")
        .nth(done - 1)
        .waitFor();
    }
    site.operator.move(id, { state: "done", done: 5 });
    await page.getByText("Done.", { exact: true }).waitFor();
    assert.deepEqual(faults, []);
    await context.close();
  });

  it("does the same without JavaScript", async () => {
    const { context, page } = await open({ locale: "en", javaScriptEnabled: false });
    await signIn(page, "bob");
    await page.locator("#local").fill("alice");
    await page.locator("main button").first().click();
    await page.getByText("alice@example.org is taken").waitFor();
    await page.locator("#local").fill("rob");
    await page.locator("main button").first().click();
    await page.waitForURL("**/progress/*");
    site.operator.move(page.url().split("/").at(-1) ?? "", { state: "done", done: 5 });
    // The page asks again by itself.
    await page.getByText("Done.", { exact: true }).waitFor();
    await context.close();
  });

  it("is used with the keyboard alone, the focus always in sight", async () => {
    const { context, page } = await open({ locale: "en" });
    await page.goto(`${origin}/sign-in`);
    // The page puts the focus into the first field by itself.
    await page.locator("#login:focus").waitFor();
    for (const keys of ["alice", "alice-password"]) {
      await page.keyboard.type(keys);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await page.waitForURL("**/mailbox");
    const count = await page.locator(USABLE).count();
    const seen = new Set<string>();
    for (let at = 0; at < count; at += 1) {
      await page.keyboard.press("Tab");
      seen.add(await page.evaluate<string>(FOCUSED));
    }
    assert.deepEqual(
      [...seen],
      Array.from({ length: count }, (_, at) => `${at} solid`),
    );
    await context.close();
  });

  it("keeps the language that was chosen", async () => {
    const { context, page } = await open({ locale: "en" });
    await page.goto(`${origin}/sign-in`);
    await page.getByRole("button", { name: "Français" }).click();
    await page.getByRole("heading", { name: "Connexion" }).waitFor();
    await context.close();
  });

  it("says in the page's language that the operator or the directory is away", async () => {
    const { context, page } = await open({ locale: "fr" });
    await signIn(page, "alice");
    site.operator.state.down = true;
    site.directory.state.down = true;
    await page.goto(`${origin}/mailbox`);
    await page.getByText("Le service qui modifie les boîtes ne répond pas").waitFor();
    await signIn(page, "alice");
    await page.getByText("L’annuaire ne répond pas").waitFor();
    site.operator.state.down = false;
    site.directory.state.down = false;
    await context.close();
  });
});
