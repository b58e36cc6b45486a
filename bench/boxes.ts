/**
 * `npm run bench -- boxes`: what a person's box costs while nobody uses it, on a stack of 10, 100 and 300 people; how long
 * an update takes that adds one more; and 500 mail programs that wait for mail through `access`. Needs root and the engine
 * on this machine, and 6 GB of memory. `-- --people=10,50` measures other numbers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import Docker from "dockerode";
import { deliverAsStranger, loginOf, readMail } from "../test/support/mail.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../test/support/project.ts";
import { type Cost, costsOf, engineMemory, processesOf } from "./support/containers.ts";
import { IdleClient } from "./support/idle-client.ts";
import { percentile } from "./support/raw.ts";
import { atMost, type Row, report } from "./support/result.ts";

const MEBIBYTE = 2 ** 20;
const DOMAIN = "bench.test";
const CONNECTIONS = 500;
/** A box comes to rest a few seconds after its start; then this long is watched. */
const REST_MS = 20_000;
const WATCHED_MS = 60_000;
/** No step takes longer, or it has failed. */
const UPDATE_MINUTES = 25;
const STEP_MINUTES = 5;

const docker = new Docker();

/** The work, or an error that names it when it takes too long. */
async function within<T>(
  minutes: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(minutes * 60_000);
  const late = new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(new Error(`${what} took more than ${minutes} minutes`))),
  );
  console.log(`${new Date().toISOString().slice(11, 19)} ${what}`);
  return Promise.race([work(signal), late]);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const usersOf = (count: number): Record<string, { name: string }> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `user${String(index).padStart(3, "0")}`,
      { name: `User ${index}` },
    ]),
  );

/** First processes of all boxes. */
async function boxes({ prefix }: TestProject): Promise<number[]> {
  const filters = { label: [`io.semail.stack=${prefix}`, "io.semail.kind=box"], status: ["running"] };
  const listed = await docker.listContainers({ filters });
  const states = await Promise.all(listed.map(({ Id }) => docker.getContainer(Id).inspect()));
  return states.map(({ State }) => State.Pid);
}

/** From the start of one more container like a box that is there to its first answer. */
async function startTime(project: TestProject): Promise<number> {
  const box = docker.getContainer(`${project.prefix}-box-user000`);
  await box.stop({ t: 10 });
  return seconds(async () => {
    await box.start();
    for (;;) {
      const exec = await box.exec({ Cmd: ["/usr/local/bin/healthcheck"], AttachStdout: true });
      const stream = await exec.start({});
      stream.resume();
      await new Promise((resolve) => stream.once("close", resolve));
      if ((await exec.inspect()).ExitCode === 0) return;
    }
  });
}

async function idleCosts(project: TestProject, count: number, engineBefore: number): Promise<Row[]> {
  const firsts = await boxes(project);
  if (firsts.length !== count) throw new Error(`${firsts.length} boxes run, not ${count}`);
  await sleep(REST_MS);
  const before = await costsOf(firsts);
  await sleep(WATCHED_MS);
  const after = await costsOf(firsts);
  const engine = (await engineMemory()) - engineBefore;
  const cpu = after.map((each, index) => each.cpu - (before[index]?.cpu ?? 0));
  const size = (of: (cost: Cost) => number): number => mean(after.map(of)) / MEBIBYTE;
  const [first] = firsts;
  if (first !== undefined)
    for (const { name, bytes } of await processesOf(first))
      console.log(`  ${(bytes / MEBIBYTE).toFixed(2).padStart(6)} MiB  ${name}`);
  const at = `at ${count} boxes`;
  return [
    atMost(
      `idle box with its shim, ${at}`,
      "MiB",
      size(({ own, shim }) => own + shim),
      16,
    ),
    { metric: `of that, its own processes, ${at}`, unit: "MiB", ours: rounded(size(({ own }) => own)) },
    { metric: `of that, the engine's shim, ${at}`, unit: "MiB", ours: rounded(size(({ shim }) => shim)) },
    {
      metric: `more in the engine's daemons for each, ${at}`,
      unit: "MiB",
      ours: rounded(engine / count / MEBIBYTE),
    },
    {
      metric: `processes of an idle box, ${at}`,
      unit: "",
      ours: rounded(mean(after.map((cost) => cost.processes))),
    },
    {
      metric: `processor time of an idle box, ${at}`,
      unit: "ms/min",
      ours: rounded((mean(cpu) * 1_000 * 60_000) / WATCHED_MS),
    },
    {
      metric: `start of a box to its first answer, ${at}`,
      unit: "s",
      ours: rounded(await startTime(project)),
    },
  ];
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** 500 mail programs of as many people as there are, and how soon each tenth of them hears of a message. */
async function idleClients(project: TestProject, count: number): Promise<Row[]> {
  const summary = await project.summary();
  const access = docker.getContainer(`${project.prefix}-access`);
  const memory = async () => {
    const { memory_stats: used } = await access.stats({ stream: false });
    return (used.usage - (used.stats.total_inactive_file ?? used.stats.inactive_file ?? 0)) / MEBIBYTE;
  };
  const before = await memory();
  const clients: { uid: string; client: IdleClient }[] = [];
  try {
    const logins = await seconds(async () => {
      // A few at a time: everybody who comes in the morning, not everybody in the same second.
      for (let at = 0; at < CONNECTIONS; at += 10) {
        const uids = Array.from(
          { length: 10 },
          (_, index) => `user${String((at + index) % count).padStart(3, "0")}`,
        );
        const opened = uids.map(async (uid) => ({
          uid,
          client: await IdleClient.open(summary, loginOf(summary, uid)),
        }));
        clients.push(...(await Promise.all(opened)));
      }
    });
    await sleep(WATCHED_MS);
    const used = (await memory()) - before;
    const standing = clients.filter(({ client }) => client.open).length;
    const waits: number[] = [];
    for (const { uid, client } of clients.filter((_, index) => index % 10 === 0)) {
      const told = client.told().then(() => performance.now());
      await deliverAsStranger(summary, { from: "a@stranger.test", to: `${uid}@${DOMAIN}`, subject: "news" });
      const answered = performance.now();
      waits.push(Math.max(0, (await told) - answered));
    }
    const what = `${CONNECTIONS} idle IMAP connections through access`;
    return [
      { ...atMost(`${what}: lost within a minute`, "", CONNECTIONS - standing, 0) },
      {
        metric: `${what}: memory of access for each`,
        unit: "KiB",
        ours: rounded((used * 1_024) / CONNECTIONS),
      },
      { metric: `${what}: logins`, unit: "/s", ours: rounded(CONNECTIONS / logins) },
      atMost(`${what}: from 250 to the program's knowing, of 95 %`, "s", percentile(waits, 95) / 1_000, 1),
    ];
  } finally {
    for (const { client } of clients) client.close();
  }
}

async function measure(project: TestProject, base: StackKeys, counts: readonly number[]): Promise<Row[]> {
  const rows: Row[] = [];
  const up = async (count: number) => {
    await project.configure({ ...base, users: usersOf(count) });
    await within(UPDATE_MINUTES, `an update to ${count} people`, (signal) =>
      project.stack.up({ suppressOutputs: true, signal }),
    );
  };
  await up(1);
  const engine = await engineMemory();
  for (const count of counts) {
    await up(count);
    rows.push(
      ...(await within(STEP_MINUTES, `${count} idle boxes`, () => idleCosts(project, count, engine))),
    );
  }
  const most = counts.at(-1) ?? 1;
  const one = await seconds(() => up(most + 1));
  rows.push(atMost(`update that adds one person to ${most}`, "s", one, 20));
  const summary = await project.summary();
  const uid = Object.keys(usersOf(most + 1)).at(-1) ?? "";
  await deliverAsStranger(summary, { from: "a@stranger.test", to: `${uid}@${DOMAIN}`, subject: "first" });
  await readMail(summary, loginOf(summary, uid), "first");
  rows.push(
    ...(await within(STEP_MINUTES, `${CONNECTIONS} idle mail programs`, () => idleClients(project, most))),
  );
  return rows;
}

const { values } = parseArgs({ options: { people: { type: "string", default: "10,100,300" } } });
const counts = values.people.split(",").map(Number);
const base: StackKeys = {
  domain: DOMAIN,
  dns: { provider: "dev", ttl: 300 },
  ports: await stackPorts(),
  protect: false,
  keepVolumes: false,
};
const project = await makeProject({ ...base, users: usersOf(1) });
try {
  await report("boxes", await measure(project, base, counts));
} finally {
  await within(UPDATE_MINUTES, "removing the stack", () => project.dispose());
}
