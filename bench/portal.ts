/**
 * `npm run bench -- portal`: a stack of its own, with portal and operator in their containers. How soon pages come at 200
 * requests a second over HTTPS on loopback, what they weigh, how long a mailbox takes from the button to its first mail
 * read, and the memory of portal and operator.
 *
 * Memory is that of all processes of the container, each page of a file in the share that it has of it (PSS), and beside
 * it what the kernel charges to the container's cgroup without files: anonymous pages and its own memory for it. While an
 * update runs there are Pulumi's processes as well, up to the operator's limit.
 */
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { runIn } from "../operator/boxes.ts";
import { engineAt } from "../operator/engine-client.ts";
import type { Summary } from "../stacks/summary.ts";
import { deliverAsStranger, loginOf, readMail } from "../test/support/mail.ts";
import type { Browser } from "../test/support/portal.ts";
import { carryOutForm, DOMAIN, definePortalProject, portalBrowser } from "../test/support/portal-stack.ts";
import { firstBytes } from "./support/constant-rate.ts";
import { percentile } from "./support/raw.ts";
import { atMost, type Row, report } from "./support/result.ts";
import { onStack } from "./support/stack-run.ts";

const PER_SECOND = 200;
const SECONDS = 10;
/** For the portal's code to be compiled; not counted. */
const WARM_UP_SECONDS = 3;
/** What that many people's browsers hold open. */
const CONNECTIONS = 50;
const UP_SECONDS = 300;
const PATIENCE_SECONDS = 120;

const round = (value: number): number => Math.round(value * 100) / 100;
const PEOPLE = ["bob", "carol", "dan"];

async function speed({ portal, ca }: Summary, browser: Browser): Promise<Row[]> {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const pages: [name: string, path: string, headers: Record<string, string>][] = [
    ["the sign-in page", "/sign-in", {}],
    ["My mailbox", "/mailbox", { cookie }],
  ];
  const rows: Row[] = [];
  for (const [name, path, headers] of pages) {
    const load = { port: portal?.port, ca, path, headers, perSecond: PER_SECOND, connections: CONNECTIONS };
    await firstBytes({ ...load, seconds: WARM_UP_SECONDS });
    const times = await firstBytes({ ...load, seconds: SECONDS });
    const metric = `first byte of ${name} at ${PER_SECOND} requests/s`;
    rows.push({ metric: `${metric}, median`, unit: "ms", ours: round(percentile(times, 50)) });
    rows.push(atMost(`${metric}, p99`, "ms", percentile(times, 99), 50));
  }
  return rows;
}

/** A page with all that it loads, pictures that are fetched only when somebody unfolds them included. */
async function weight(browser: Browser, path: string): Promise<number> {
  const { text, status } = await browser.get(path);
  if (status !== 200) throw new Error(`${path} was answered ${status}`);
  const parts = [...text.matchAll(/(?:<link[^>]*href|src)="(\/[^"]+)"/g)].map(([, part = ""]) => part);
  const sizes = await Promise.all(
    parts.map(async (part) => Buffer.byteLength((await browser.get(part)).text)),
  );
  return sizes.reduce((sum, size) => sum + size, Buffer.byteLength(text)) / 1_000;
}

async function weights(browser: Browser, pages: Readonly<Record<string, string>>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, path] of Object.entries(pages))
    rows.push(atMost(`${name}, with all that it loads`, "KB", await weight(browser, path), 60));
  return rows;
}

/** Opens the page, as one does before the button; the seconds from the button to the first mail read over IMAP. */
async function create(summary: Summary, browser: Browser, uid: string) {
  await browser.get("/new");
  const began = performance.now();
  const progress = await carryOutForm(browser, "/new", { local: uid, domain: DOMAIN });
  const made = performance.now();
  await deliverAsStranger(summary, { from: "a@stranger.test", to: `${uid}@${DOMAIN}`, subject: "first" });
  await readMail(summary, loginOf(summary, uid), "first");
  const read = performance.now();
  console.log(`${uid}: mailbox ${Math.round(made - began)} ms, its first mail ${Math.round(read - made)} ms`);
  return { progress, seconds: (read - began) / 1_000 };
}

/** Lines of `<what> <bytes>`: PSS of each process; cgroup v2, else v1. */
const MEMORY = `
cat /proc/[0-9]*/smaps_rollup 2>/dev/null | sed -n 's/^Pss: *\\([0-9]*\\) kB$/pss \\1 1024/p'
cd /sys/fs/cgroup
if [ -e memory.stat ]; then sed -n 's/^\\(anon\\|kernel\\) \\([0-9]*\\)$/charged \\2 1/p' memory.stat
else sed -n 's/^total_rss \\([0-9]*\\)$/charged \\1 1/p' memory/memory.stat; echo charged $(cat memory/memory.kmem.usage_in_bytes) 1; fi`;

/** Of a container, in MiB. */
async function memoryOf(container: string): Promise<{ pss: number; charged: number }> {
  const command = ["/bin/sh", "-c", MEMORY];
  const { output = "" } = (await runIn(engineAt(), `/containers/${container}`, command)) ?? {};
  const sum = (what: string) => {
    const found = [...output.matchAll(/^(\w+) (\d+) (\d+)$/gm)].filter(([, name]) => name === what);
    if (found.length === 0) throw new Error(`${container} doesn't tell its memory: ${output}`);
    return found.reduce((all, [, , count, unit]) => all + Number(count) * Number(unit), 0) / 2 ** 20;
  };
  return { pss: sum("pss"), charged: sum("charged") };
}

/** Once the updates' process has been let go of. */
async function memory(prefix: string, when: string, signal: AbortSignal): Promise<Row[]> {
  const operator = new Docker().getContainer(`${prefix}-operator`);
  while ((await operator.top()).Processes.length > 1) await sleep(500, undefined, { signal });
  const [portal, other] = [await memoryOf(`${prefix}-portal`), await memoryOf(`${prefix}-operator`)];
  return [
    { metric: `memory of the portal, ${when}`, unit: "MiB", ours: round(portal.pss) },
    atMost(`memory of portal and operator, ${when}`, "MiB", portal.pss + other.pss, 200),
    {
      metric: `the same without files, as their cgroups count, ${when}`,
      unit: "MiB",
      ours: round(portal.charged + other.charged),
    },
  ];
}

async function signIn(summary: Summary, uid: string): Promise<Browser> {
  const browser = portalBrowser(summary);
  const { location } = await browser.post("/sign-in", { login: uid, password: loginOf(summary, uid).pass });
  if (location !== "/mailbox") throw new Error(`${uid} could not sign in`);
  return browser;
}

const nobody = PEOPLE.map((uid) => [uid, { name: uid, state: "none" }]);
await onStack(
  () => definePortalProject({ alice: { name: "Alice" }, ...Object.fromEntries(nobody) }),
  async (project, step) => {
    await step("the stack", UP_SECONDS, (signal) => project.stack.up({ suppressOutputs: true, signal }));
    const summary = await project.summary();
    const weigh = (when: string) =>
      step(`memory ${when}`, PATIENCE_SECONDS, (signal) => memory(project.prefix, when, signal));
    const rows = await weigh("after the start");
    const bob = await signIn(summary, "bob");
    rows.push(...(await weights(portalBrowser(summary), { "sign-in": "/sign-in" })));
    rows.push(...(await weights(bob, { "New mailbox": "/new" })));
    const make = (browser: Browser, uid: string) =>
      step(`a mailbox for ${uid}`, PATIENCE_SECONDS, () => create(summary, browser, uid));
    const first = await make(bob, "bob");
    rows.push(...(await weigh("after a creation")));
    const others: number[] = [];
    for (const uid of PEOPLE.slice(1)) {
      const { seconds } = await make(await signIn(summary, uid), uid);
      others.push(seconds);
    }
    rows.push(atMost("create to first mail read, the first time", "s", first.seconds, 20));
    rows.push(atMost("create to first mail read, the slower of two more", "s", Math.max(...others), 20));
    const pages = { "My mailbox": "/mailbox", progress: first.progress, log: "/log", deletion: "/delete" };
    rows.push(...(await weights(bob, pages)));
    rows.push(...(await step("pages under load", PATIENCE_SECONDS, () => speed(summary, bob))));
    rows.push(...(await weigh("after the load")));
    await report("portal", rows);
  },
);
