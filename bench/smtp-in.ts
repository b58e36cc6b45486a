/**
 * `npm run bench -- smtp-in`: smtp-in beside Postfix with its LMTP transport, and beside a client that does nothing but
 * LMTP, which is as fast as these boxes can be; all on the same ten boxes, one after the other in one run, with the queues
 * and the boxes on a file system that it makes (support/file-system.ts). With names of parts behind it, only those are run,
 * and shown without being kept.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Handle } from "../test/support/docker.ts";
import { enter } from "../test/support/front.ts";
import { addPerson, type Box, type MailSite, openMailSite } from "../test/support/mail-site.ts";
import { freePorts } from "../test/support/ports.ts";
import { folderOf, openFileSystem } from "./support/file-system.ts";
import { wantedParts } from "./support/parts.ts";
import { Line, messageOf, percentile, sendOver } from "./support/raw.ts";
import { atMost, type Row, ratioAtLeast, ratioAtMost, report, show } from "./support/result.ts";
import {
  emptyPostfix,
  holdPostfix,
  openPostfix,
  openTools,
  POSTFIX_TUNING,
  type Poured,
  pour,
} from "./support/source.ts";
import { memoryOf } from "./support/usage.ts";

const BYTES = 4_096;
const SESSIONS = 20;
const MESSAGES = 1_000;
const QUEUED = 3_000;
const ROUNDS = 3;
const LMTP_PORT = 24;
/** Messages a second that every system here keeps up with. */
const STEADY = 100;
/** So many that the first of a connection, for which a worker may know nothing of the box, are no hundredth of them. */
const REPLIES = 1_000;
const PEOPLE = [10, 1_000, 10_000];

const CONDITIONS = {
  load: `${SESSIONS} sessions, ${BYTES} bytes; the rate over ${ROUNDS} runs of ${MESSAGES} messages, in turns`,
  delivered: "until all are in the Maildirs of ten boxes, which are empty before",
  queued: `no box answers, which both know of a run before; runs of ${QUEUED} messages`,
  reply: `of ${REPLIES} messages, while mail keeps coming to each box: smtp-in waits for one that had none for five seconds`,
  postfix: POSTFIX_TUNING,
};

interface Field {
  readonly site: MailSite;
  readonly tools: Handle;
  readonly postfix: Handle;
  readonly ports: { readonly ours: number; readonly health: number; readonly postfix: number };
  /** Folder of each box's Maildir on this machine. */
  readonly maildirs: readonly string[];
}

async function openField(site: MailSite): Promise<Field> {
  const [ours = 0, health = 0, postfixPort = 0] = await freePorts(3);
  const tools = await openTools(site.lab);
  const postfix = await openPostfix(site.lab, site.boxes, postfixPort);
  const maildirs = await Promise.all(
    site.boxes.map(async ({ volume }) => join(await folderOf(site.lab, volume), "Maildir/new")),
  );
  return { site, tools, postfix, ports: { ours, health, postfix: postfixPort }, maildirs };
}

const inBoxes = (maildirs: readonly string[]): number =>
  maildirs.reduce((sum, folder) => sum + (existsSync(folder) ? readdirSync(folder).length : 0), 0);

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}

/** Dovecot looks through a whole folder at each delivery, so that a full box is slower than an empty one. */
async function emptyBoxes({ site }: Field): Promise<void> {
  for (const { handle, uid } of site.boxes) {
    const { exitCode, stderr } = await handle.exec([
      "doveadm",
      "expunge",
      "-u",
      uid,
      "mailbox",
      "INBOX",
      "all",
    ]);
    if (exitCode !== 0) throw new Error(`A box can't be emptied: ${stderr}`);
  }
}

/** Messages a second until all are in the boxes, which are empty before. */
async function delivered(
  field: Field,
  send: () => Promise<Pick<Poured, "began">>,
  messages: number,
): Promise<number> {
  const { maildirs } = field;
  await emptyBoxes(field);
  const before = inBoxes(maildirs);
  const sent = send();
  while (inBoxes(maildirs) < before + messages) await Promise.race([sleep(20), sent.then(() => sleep(20))]);
  const ended = Date.now() / 1_000;
  return messages / (ended - (await sent).began);
}

function startOurs({ site, ports }: Field, workers: number) {
  return site.start("mailserver/smtp-in/main.ts", {
    ...site.settings,
    ...{ port: ports.ours, healthPort: ports.health, workers, queueDir: join(site.folder, "spool") },
    limits: { connections: 2_000, connectionsPerClient: 2_000 },
    relay: { host: "127.0.0.1", port: 1, user: "smtp-in", password: "relay-password-0123" },
  });
}

const addresses = ({ site }: Field): string[] => site.boxes.map(({ address }) => address);

/** As fast as the boxes are: a kept connection or two to each, and no server between. */
function bareClient(field: Field, perBox: number): Promise<number> {
  const body = messageOf(BYTES);
  const lines = field.site.boxes.flatMap((box) => Array.from({ length: perBox }, () => box));
  const messages = Math.round(MESSAGES / lines.length);
  const send = async ({ address, door }: Box): Promise<void> => {
    const line = await Line.over(enter({ host: door.host, port: LMTP_PORT }));
    await line.say("LHLO bench");
    await sendOver(line, { to: address, messages, body });
    line.close();
  };
  const all = async (): Promise<Pick<Poured, "began">> => {
    const began = Date.now() / 1_000;
    await Promise.all(lines.map(send));
    return { began };
  };
  return delivered(field, all, messages * lines.length);
}

/**
 * In turns, and all rounds of each system count: what changes with time, such as boxes that fill up, meets all of them
 * alike.
 */
async function throughput(field: Field): Promise<Row[]> {
  const { tools, ports } = field;
  const load = { to: addresses(field), messages: MESSAGES, sessions: SESSIONS, bytes: BYTES };
  const through = (port: number, keep: boolean) => (): Promise<number> =>
    delivered(field, () => pour(tools, { ...load, port, keep }), MESSAGES);
  const lines = (await bareClient(field, 1)) > (await bareClient(field, 2)) ? 1 : 2;
  const rows: Row[] = [];
  for (const keep of [false, true]) {
    const systems = [() => bareClient(field, lines), through(ports.ours, keep), through(ports.postfix, keep)];
    // None is measured on its first ones: programs are compiled while they run.
    for (const system of systems) await system();
    const [bare = 0, ours = 0, postfix = 0] = await inTurns(systems);
    rows.push(
      ratioAtLeast(
        { metric: `delivered, ${keep ? "many messages" : "one message"} a connection`, unit: "/s", ours },
        { "bare LMTP client": { theirs: bare, least: 0.85 }, postfix: { theirs: postfix, least: 1.7 } },
      ),
    );
  }
  return rows;
}

/** The rate of each over all rounds, in which it does the same work. */
async function inTurns(systems: readonly (() => Promise<number>)[]): Promise<number[]> {
  const times = systems.map(() => 0);
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [index, system] of systems.entries())
      times[index] = (times[index] ?? 0) + 1 / (await system());
  return times.map((time) => ROUNDS / time);
}

/** The times from the final dot to the reply, with as many sessions as the load has; `perSecond` of all, or no pause. */
async function replyTimes(field: Field, port: number, perSecond?: number): Promise<number[]> {
  const body = messageOf(BYTES);
  const to = addresses(field);
  const everyMs = perSecond === undefined ? 0 : (SESSIONS * 1_000) / perSecond;
  const sessions = Array.from({ length: SESSIONS }, async (_, number) => {
    const line = await Line.open("127.0.0.1", port);
    await line.say("EHLO bench");
    await sleep((everyMs * number) / SESSIONS);
    const load = { to: to[number % to.length] ?? "", messages: REPLIES / SESSIONS, body, everyMs };
    const times = await sendOver(line, load);
    line.close();
    return times;
  });
  return (await Promise.all(sessions)).flat();
}

/**
 * At a rate that both keep up with, and without a pause, where the boxes are what limits: there, who waits for the box
 * answers later than who only queues.
 */
async function latency(field: Field): Promise<Row[]> {
  const { ours, postfix } = field.ports;
  const rows: Row[] = [];
  // Of mail that keeps coming: smtp-in waits for a box that had none for five seconds.
  const measured = async (port: number, perSecond: number | undefined): Promise<number[]> => {
    await replyTimes(field, port, STEADY);
    return replyTimes(field, port, perSecond);
  };
  for (const perSecond of [STEADY, undefined]) {
    const pace = perSecond === undefined ? "without a pause" : `${perSecond} messages a second`;
    const mine = await measured(ours, perSecond);
    const theirs = await measured(postfix, perSecond);
    for (const percent of [50, 99]) {
      const metric = `reply to the final dot, ${pace}, p${percent}`;
      const [own, peer] = [percentile(mine, percent), percentile(theirs, percent)];
      rows.push(ratioAtMost({ metric, unit: "ms", ours: own, peer: "postfix", theirs: peer }, 1));
    }
  }
  return rows;
}

/** What is taken in while no box answers: all of it goes into the spool, or Postfix's queue. */
async function queueing(field: Field): Promise<Row[]> {
  const { tools, ports, site, postfix } = field;
  await Promise.all(site.boxes.map(({ handle }) => handle.stop(1)));
  await holdPostfix(postfix, true);
  const load = { to: addresses(field), messages: QUEUED, sessions: SESSIONS, bytes: BYTES };
  const rows: Row[] = [];
  for (const keep of [false, true]) {
    const into = (port: number) => async (): Promise<number> => {
      const { began, ended } = await pour(tools, { ...load, port, keep });
      if (port === ports.postfix) await emptyPostfix(postfix);
      return QUEUED / (ended - began);
    };
    const systems = [into(ports.ours), into(ports.postfix)];
    // Neither is measured on its first ones, when it finds out which boxes don't answer.
    for (const system of systems) await system();
    const [ours = 0, theirs = 0] = await inTurns(systems);
    rows.push(
      ratioAtLeast(
        { metric: `queued, ${keep ? "many messages" : "one message"} a connection`, unit: "/s", ours },
        { postfix: { theirs, least: 3 } },
      ),
    );
  }
  return rows;
}

async function memory(field: Field): Promise<Row[]> {
  const daemon = await startOurs(field, 1);
  const pid = Number(daemon.lines.find(({ event }) => event === "worker.started")?.pid);
  const before = memoryOf(pid);
  const lines: Line[] = [];
  for (let count = 0; count < 500; count += 1) {
    const line = await Line.open("127.0.0.1", field.ports.ours);
    await line.say("EHLO bench");
    lines.push(line);
  }
  const after = memoryOf(pid);
  for (const line of lines) line.close();
  await daemon.kill();
  return [
    atMost("memory of a worker with 500 idle clients (RSS)", "MB", after.rss / 1_024, 120),
    {
      metric: "the same, its share of shared pages only (PSS)",
      unit: "MB",
      ours: Math.round(after.pss / 1_024),
    },
    atMost("memory for each idle client", "KB", (after.rss - before.rss) / 500, 40),
  ];
}

/** RCPT a second of people that were never asked for before, by the number of people. */
async function lookups(field: Field): Promise<Row[]> {
  const { site, ports } = field;
  const rates: number[] = [];
  let people = site.boxes.length;
  for (const wanted of PEOPLE) {
    const first = people;
    await site.administer(async (admin) => {
      for (; people < wanted; people += 1) await addPerson(admin, `extra${people}`, "127.0.0.1");
    });
    const uids =
      wanted === site.boxes.length
        ? site.boxes.map(({ uid }) => uid)
        : Array.from({ length: 400 }, (_, n) => `extra${first + Math.floor((n * (wanted - first)) / 400)}`);
    const line = await Line.open("127.0.0.1", ports.ours);
    await line.say("EHLO bench");
    await line.say("MAIL FROM:<sender@elsewhere.test>");
    const time = await seconds(async () => {
      for (const [index, uid] of uids.entries()) {
        if (index % 90 === 89) {
          await line.say("RSET");
          await line.say("MAIL FROM:<sender@elsewhere.test>");
        }
        await line.say(`RCPT TO:<${uid}@semail.test>`);
      }
    });
    line.close();
    rates.push((time / uids.length) * 1_000);
  }
  const [, thousand = 0, most = 0] = rates;
  return [
    {
      metric: "look-up of a recipient, 10 people",
      unit: "ms",
      ours: Math.round((rates[0] ?? 0) * 100) / 100,
    },
    { metric: "look-up of a recipient, 1,000 people", unit: "ms", ours: Math.round(thousand * 100) / 100 },
    ratioAtMost(
      {
        metric: "look-up of a recipient, 10,000 people",
        unit: "ms",
        ours: most,
        peer: "with 1,000 people",
        theirs: thousand,
      },
      1.5,
    ),
  ];
}

const { parts, all } = wantedParts({ memory, throughput, latency, lookups, queueing });

async function measure(site: MailSite): Promise<Row[]> {
  const field = await openField(site);
  const rows: Row[] = [];
  let started = false;
  for (const part of parts) {
    // Memory is measured before, with a daemon of one worker.
    if (part !== memory && !started) await startOurs(field, 2);
    started ||= part !== memory;
    const time = await seconds(async () => rows.push(...(await part(field))));
    console.log(`${part.name}: ${Math.round(time)} s`);
  }
  return rows;
}

await using disk = await openFileSystem();
const conditions = { "file system": disk.kind, ...CONDITIONS };
const site = await openMailSite({ boxes: 10, direct: true, volatileDirectory: true, durableIn: disk.folder });
try {
  console.log(JSON.stringify(conditions, null, 2));
  const rows = await disk.during(measure(site));
  if (all) await report("smtp-in", rows, conditions);
  else show(rows);
} finally {
  await site.close();
}
