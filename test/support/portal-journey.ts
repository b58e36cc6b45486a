/** How a person uses the portal of a real stack, in Chromium. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** Waits until the request that the page shows is done, which takes an update. */
  done(said: string): Promise<void>;
  /** Presses Tab until the focus is there, as often as a page has places for it. */
  tabTo(selector: string): Promise<void>;
}

const UPDATE_MS = 240_000;
const MOST_TABS = 80;

/** Opens the portal in a browser of its own, at the sign-in page. */
export async function visit(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions,
): Promise<Visit> {
  // The stack's authority is its own; that its certificate is good is checked where the pages are asked for by HTTPS.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  await page.goto(`${origin}/sign-in`);
  return {
    page,
    done: (said) => page.getByText(said, { exact: true }).waitFor({ timeout: UPDATE_MS }),
    tabTo: async (selector) => {
      const target = page.locator(`${selector}:focus`);
      for (let tabs = 0; (await target.count()) === 0; tabs += 1) {
        if (tabs > MOST_TABS) throw new Error(`the keyboard doesn't reach ${selector} at ${page.url()}`);
        await page.keyboard.press("Tab");
      }
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** With the mouse. */
export async function signIn({ page }: Visit, login: string, password: string): Promise<void> {
  await page.locator("#login").fill(login);
  await page.locator("#password").fill(password);
  await page.locator("main button").click();
}
