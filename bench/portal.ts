/**
 * `npm run bench -- portal`: a stack of its own, with portal and operator in their containers. How soon pages come at 200
 * requests a second over HTTPS on loopback, what they weigh, how long a mailbox takes from the button to its first mail
 * read, and the memory of portal and operator.
 *
 * Memory is what the kernel charges to the container's cgroup beside files it could drop: anonymous pages and its own
 * memory for the container, read from inside.
 */
import { once } from "node:events";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { runIn } from "../operator/boxes.ts";
import { engineAt } from "../operator/engine-client.ts";
import type { Summary } from "../stacks/summary.ts";
import { deliverAsStranger, loginOf, readMail } from "../test/support/mail.ts";
import type { Browser } from "../test/support/portal.ts";
import { carryOutForm, DOMAIN, makePortalProject, portalBrowser } from "../test/support/portal-stack.ts";
import type { TestProject } from "../test/support/project.ts";
import { percentile } from "./support/raw.ts";
import { atMost, type Row, report } from "./support/result.ts";

const PER_SECOND = 200;
const SECONDS = 10;
/** What that many people's browsers hold open. */
const CONNECTIONS = 50;

/** Milliseconds from each request to the first byte of its answer; sent at their time, whether others are answered or not. */
async function firstBytes({ portal, ca }: Summary, path: string, cookie: string): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const headers = cookie === "" ? {} : { cookie };
  const ask = async (): Promise<number> => {
    const began = performance.now();
    const sent = request({ host: "localhost", port: portal?.port, path, ca, agent, headers });
    sent.end();
    const [answer] = await once(sent, "response");
    const took = performance.now() - began;
    if (answer.statusCode !== 200) throw new Error(`${path} was answered ${answer.statusCode}`);
    answer.resume();
    await once(answer, "end");
    return took;
  };
  // Connections that are there: a page is not a browser's first.
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  const began = performance.now();
  const asked: Promise<number>[] = [];
  while (asked.length < PER_SECOND * SECONDS) {
    const due = Math.floor(((performance.now() - began) / 1_000) * PER_SECOND) + 1;
    while (asked.length < due && asked.length < PER_SECOND * SECONDS) asked.push(ask());
    await sleep(1);
  }
  const all = await Promise.all(asked);
  agent.destroy();
  return all;
}

async function speed(summary: Summary, browser: Browser): Promise<Row[]> {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const pages: [name: string, path: string, cookie: string][] = [
    ["the sign-in page", "/sign-in", ""],
    ["My mailbox", "/mailbox", cookie],
  ];
  const rows: Row[] = [];
  for (const [name, path, sent] of pages) {
    const times = await firstBytes(summary, path, sent);
    const metric = `first byte of ${name} at ${PER_SECOND} requests/s`;
    rows.push({ metric: `${metric}, median`, unit: "ms", ours: round(percentile(times, 50)) });
    rows.push(atMost(`${metric}, p99`, "ms", percentile(times, 99), 50));
  }
  return rows;
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** A page with all that it loads, pictures that are fetched only when somebody unfolds them included. */
async function weight(browser: Browser, path: string): Promise<number> {
  const { text } = await browser.get(path);
  const parts = [...text.matchAll(/(?:<link[^>]*href|src)="(\/[^"]+)"/g)].map(([, part = ""]) => part);
  const sizes = await Promise.all(
    parts.map(async (part) => Buffer.byteLength((await browser.get(part)).text)),
  );
  return sizes.reduce((sum, size) => sum + size, Buffer.byteLength(text)) / 1_024;
}

async function weights(browser: Browser, pages: Readonly<Record<string, string>>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, path] of Object.entries(pages))
    rows.push(atMost(`${name}, with all that it loads`, "KiB", await weight(browser, path), 60));
  return rows;
}

/** Seconds from the button to the first mail read over IMAP. */
async function create(project: TestProject, browser: Browser, uid: string) {
  const began = performance.now();
  const progress = await carryOutForm(browser, "/new", { local: uid, domain: DOMAIN });
  const made = performance.now();
  const summary = await project.summary();
  await deliverAsStranger(summary, { from: "a@stranger.test", to: `${uid}@${DOMAIN}`, subject: "first" });
  await readMail(summary, loginOf(summary, uid), "first");
  console.log(
    `${uid}: mailbox ${Math.round(made - began)} ms, its first mail ${Math.round(performance.now() - made)} ms`,
  );
  return { progress, seconds: (performance.now() - began) / 1_000 };
}

/** Anonymous and kernel memory of a container in MiB: cgroup v2, else v1. */
async function memoryOf(name: string): Promise<number> {
  const script = `cd /sys/fs/cgroup; if [ -e memory.stat ]; then grep -E '^(anon|kernel) ' memory.stat; else grep '^total_rss ' memory/memory.stat; echo kernel $(cat memory/memory.kmem.usage_in_bytes); fi`;
  const { output = "" } = (await runIn(engineAt(), `/containers/${name}`, ["/bin/sh", "-c", script])) ?? {};
  const values = [...output.matchAll(/ (\d+)$/gm)].map(([, value]) => Number(value));
  if (values.length !== 2) throw new Error(`${name}: ${output}`);
  return values.reduce((sum, value) => sum + value, 0) / 2 ** 20;
}

async function memory(prefix: string, when: string): Promise<Row[]> {
  const docker = new Docker();
  // The updates' process is let go of after five seconds.
  const operator = docker.getContainer(`${prefix}-operator`);
  while ((await operator.top()).Processes.length > 1) await sleep(500);
  const each = await Promise.all(["portal", "operator"].map((name) => memoryOf(`${prefix}-${name}`)));
  const [portal = 0, whole = 0] = [each[0], each.reduce((sum, one) => sum + one, 0)];
  return [
    { metric: `memory of the portal, ${when}`, unit: "MiB", ours: round(portal) },
    atMost(`memory of portal and operator, ${when}`, "MiB", whole, 200),
  ];
}

async function signIn(summary: Summary, uid: string): Promise<Browser> {
  const browser = portalBrowser(summary);
  await browser.post("/sign-in", { login: uid, password: loginOf(summary, uid).pass });
  return browser;
}

const people = ["bob", "carol", "dan"];
const nobody = people.map((uid) => [uid, { name: uid, state: "none" }]);
const project = await makePortalProject({ alice: { name: "Alice" }, ...Object.fromEntries(nobody) });
try {
  const summary = await project.summary();
  const rows = await memory(project.prefix, "after the start");
  const bob = await signIn(summary, "bob");
  rows.push(...(await weights(portalBrowser(summary), { "sign-in": "/sign-in" })));
  await bob.get("/new");
  rows.push(...(await weights(bob, { "New mailbox": "/new" })));
  const first = await create(project, bob, "bob");
  rows.push(...(await memory(project.prefix, "after a creation")));
  const others = [];
  for (const uid of people.slice(1)) {
    const browser = await signIn(summary, uid);
    await browser.get("/new");
    others.push((await create(project, browser, uid)).seconds);
  }
  rows.push(atMost("create to first mail read, the first time", "s", first.seconds, 20));
  rows.push(atMost("create to first mail read, the slower of two more", "s", Math.max(...others), 20));
  const pages = { "My mailbox": "/mailbox", progress: first.progress, log: "/log", deletion: "/delete" };
  rows.push(...(await weights(bob, pages)), ...(await speed(summary, bob)));
  rows.push(...(await memory(project.prefix, "after the load")));
  await report("portal", rows);
} finally {
  await project.dispose();
}
