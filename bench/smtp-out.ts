/**
 * `npm run bench -- smtp-out`: smtp-out beside Postfix and Haraka, on one machine, one after the other in one run, with the
 * queues of all on a file system that it makes (support/file-system.ts). The load comes from one client program; what is
 * relayed goes to one smtp-sink. With names of parts behind it, only those are run, and shown without being kept.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Handle } from "../test/support/docker.ts";
import { type MailSite, openMailSite } from "../test/support/mail-site.ts";
import { freePorts } from "../test/support/ports.ts";
import { durablePerSecond } from "./support/disk.ts";
import { type FileSystem, openFileSystem } from "./support/file-system.ts";
import { HARAKA_TUNING, installHaraka, startHaraka } from "./support/haraka.ts";
import { send } from "./support/load.ts";
import {
  ADDRESS,
  addSender,
  HOST_NETWORK,
  POSTFIX_TUNING,
  type System,
  startOurs,
  startPostfix,
} from "./support/out-systems.ts";
import { wantedParts } from "./support/parts.ts";
import { messageOf } from "./support/raw.ts";
import { DOMAIN, openDns, openSilent, openSink } from "./support/receivers.ts";
import { beside, type Row, ratioAtLeast, report, show } from "./support/result.ts";

const BYTES = 4_096;
const SESSIONS = 20;
/** Seconds of work, not its first moments: programs are compiled while they run, and files find their size. */
const MESSAGES = 5_000;
/** Of the one that takes longest, so that all of it takes minutes. */
const FEW = 1_500;
const ROUNDS = 2;
/** All of a run is relayed within this, or something is wrong. */
const RELAYED_MS = 60_000;
const IMAGE = fileURLToPath(new URL("images/postfix", import.meta.url));
const OURS = "ours";
const SIGNING = "ours, with DKIM";

const CONDITIONS = {
  load: `${SESSIONS} sessions, ${BYTES} bytes, one command at a time; the best of ${ROUNDS} runs of ${MESSAGES} messages (haraka: ${FEW}), in turns`,
  "in clear text":
    "smtp-out takes nothing from who has not logged in: the load logs in at its internal listener; at the others it does not",
  "TLS and login":
    "a whole hand-shake for each connection; the password is the cheapest Argon2 in OpenLDAP, and in a file of the others",
  route: "smtp-out asks DNS for MX, addresses, MTA-STS and DANE; the others are told where mail goes",
  acknowledged: "meanwhile the receiver takes connections and says nothing",
  relayed: "until the queue is empty; the receiver is smtp-sink",
  postfix: POSTFIX_TUNING,
  haraka: HARAKA_TUNING,
};

interface Field {
  readonly disk: FileSystem;
  readonly site: MailSite;
  readonly image: string;
  readonly dns: number;
  readonly haraka: string;
}

interface Way {
  readonly secure: boolean;
  readonly keep: boolean;
}

/** Messages a second, and what the best run took. */
interface Run {
  readonly rate: number;
  /** Of a thousand messages. */
  readonly cpuSeconds: number;
  readonly megabytes: number;
}

type Measure = (system: System, way: Way, messages: number) => Promise<void>;

interface Systems extends AsyncDisposable {
  readonly all: readonly System[];
}

/** All systems, with their mail going to that port. */
async function openSystems({ site, image, dns, haraka }: Field, receiver: number): Promise<Systems> {
  const name = (what: string): string => `${what}-${receiver}`;
  const place = async () => {
    const [plain = 0, secure = 0, spare = 0, health = 0] = await freePorts(4);
    return { site, receiver, ports: [plain, secure, spare, health] as const };
  };
  const all = [
    await startOurs(await place(), { name: OURS, signs: false, dns, queueDir: name("queue") }),
    await startOurs(await place(), { name: SIGNING, signs: true, dns, queueDir: name("queue-signing") }),
    await startPostfix(await place(), image),
    await startHaraka(await place(), { installed: haraka, folder: join(site.folder, name("haraka")) }),
  ];
  return { all, [Symbol.asyncDispose]: async () => void (await Promise.all(all.map((one) => one.stop()))) };
}

function pour({ plain, secure }: System, way: Way, messages: number): Promise<void> {
  const mail = { from: ADDRESS, to: `someone@${DOMAIN}`, body: messageOf(BYTES, ADDRESS) };
  return send(way.secure ? secure : plain, { ...mail, messages, sessions: SESSIONS, keep: way.keep });
}

/** Both end when the run is told to. */
const acknowledge =
  ({ disk }: Field): Measure =>
  (system, way, messages) =>
    disk.during(pour(system, way, messages));

const relay =
  ({ disk }: Field): Measure =>
  (system, way, messages) =>
    disk.during(untilEmpty(system, way, messages));

async function untilEmpty(system: System, way: Way, messages: number): Promise<void> {
  await pour(system, way, messages);
  for (const deadline = Date.now() + RELAYED_MS; system.queued() > 0; await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`${system.name} still has ${system.queued()} messages`);
  }
}

async function once(system: System, way: Way, measure: Measure): Promise<Run> {
  const messages = system.name === "haraka" ? FEW : MESSAGES;
  const before = system.usage();
  const began = performance.now();
  await measure(system, way, messages);
  const seconds = (performance.now() - began) / 1_000;
  const { cpuSeconds, megabytes } = system.usage();
  return {
    rate: messages / seconds,
    cpuSeconds: ((cpuSeconds - before.cpuSeconds) * 1_000) / messages,
    megabytes,
  };
}

/** The best run of each, in turns, so that what changes with time meets all of them. */
async function best(systems: readonly System[], way: Way, measure: Measure): Promise<(name: string) => Run> {
  const runs = new Map<string, Run>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const system of systems) {
      const run = await once(system, way, measure);
      const known = runs.get(system.name);
      if (known === undefined || run.rate > known.rate) runs.set(system.name, run);
    }
  }
  return (name) => {
    const run = runs.get(name);
    if (run === undefined) throw new Error(`${name} was not measured`);
    return run;
  };
}

/** smtp-out signs only what comes from people, who log in over TLS. */
const unsigned = ({ all }: Systems): System[] => all.filter(({ name }) => name !== SIGNING);

const said = ({ secure, keep }: Way): string =>
  `${keep ? "many messages" : "one message"} a connection, ${secure ? "TLS and login" : "in clear text"}`;

async function acknowledged(field: Field): Promise<Row[]> {
  const [port = 0] = await freePorts(1);
  await using _silent = await openSilent(port);
  await using systems = await openSystems(field, port);
  const rows: Row[] = [];
  for (const secure of [false, true]) {
    for (const keep of [false, true]) {
      const way = { secure, keep };
      const run = await best(secure ? systems.all : unsigned(systems), way, acknowledge(field));
      const peers = {
        postfix: { theirs: run("postfix").rate, least: 3 },
        haraka: { theirs: run("haraka").rate, least: 4 },
      };
      const metric = `acknowledged, ${said(way)}`;
      rows.push(ratioAtLeast({ metric, unit: "/s", ours: run(OURS).rate }, peers));
      if (secure) {
        rows.push(ratioAtLeast({ metric: `${metric}, DKIM`, unit: "/s", ours: run(SIGNING).rate }, peers));
      } else if (keep) rows.push(ceiling(field, run(OURS).rate));
    }
  }
  return rows;
}

/** How far the disk is from being what limits. */
function ceiling({ site }: Field, ours: number): Row {
  const loop = (together: number): number => durablePerSecond(site.folder, { bytes: BYTES, together });
  return beside(
    { metric: "acknowledged, many messages a connection, beside what the disk can do", unit: "/s", ours },
    { "a loop, fsync for each": loop(1), [`a loop, fsync for each ${SESSIONS}`]: loop(SESSIONS) },
  );
}

async function relayed(field: Field): Promise<Row[]> {
  const [port = 0] = await freePorts(1);
  const tools: Handle = await field.site.lab.run({ image: field.image, networks: HOST_NETWORK });
  await openSink(tools, port);
  await using systems = await openSystems(field, port);
  const rows: Row[] = [];
  for (const way of [
    { secure: false, keep: false },
    { secure: false, keep: true },
    { secure: true, keep: true },
  ]) {
    const run = await best(way.secure ? systems.all : unsigned(systems), way, relay(field));
    const peers = {
      postfix: { theirs: run("postfix").rate, least: 2 },
      haraka: { theirs: run("haraka").rate, least: 4 },
    };
    const metric = `relayed end to end, ${said(way)}`;
    rows.push(ratioAtLeast({ metric, unit: "/s", ours: run(OURS).rate }, peers));
    if (way.secure) {
      rows.push(ratioAtLeast({ metric: `${metric}, DKIM`, unit: "/s", ours: run(SIGNING).rate }, peers));
    }
    if (way.keep) rows.push(...costs(said(way), run, way.secure));
  }
  return rows;
}

function costs(way: string, run: (name: string) => Run, signed: boolean): Row[] {
  const row = (what: string, unit: string, of: (run: Run) => number, name: string): Row =>
    beside(
      { metric: `${what}, ${way}${name === SIGNING ? ", DKIM" : ""}`, unit, ours: of(run(name)) },
      { postfix: of(run("postfix")), haraka: of(run("haraka")) },
    );
  return (signed ? [OURS, SIGNING] : [OURS]).flatMap((name) => [
    row("CPU for 1,000 relayed", "s", ({ cpuSeconds }) => cpuSeconds, name),
    row("memory after it (PSS)", "MB", ({ megabytes }) => megabytes, name),
  ]);
}

const { parts, all } = wantedParts({ acknowledged, relayed });

async function measure(field: Field): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of parts) {
    const began = performance.now();
    rows.push(...(await part(field)));
    console.log(`${part.name}: ${Math.round((performance.now() - began) / 1_000)} s`);
  }
  return rows;
}

await using disk = await openFileSystem();
const conditions = { "file system": disk.kind, ...CONDITIONS };
const site = await openMailSite({ boxes: 0, direct: true, volatileDirectory: true, durableIn: disk.folder });
try {
  await using dns = await openDns();
  await addSender(site);
  const haraka = join(site.folder, "haraka");
  await installHaraka(haraka);
  const image = await site.lab.ensureImage("bench-postfix", IMAGE);
  console.log(JSON.stringify(conditions, null, 2));
  const rows = await measure({ disk, site, image, dns: dns.port, haraka });
  if (all) await report("smtp-out", rows, conditions);
  else show(rows);
} finally {
  await site.close();
}
