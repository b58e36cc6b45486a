/** A Knot DNS server as a child process, changed by its own transactions, so that it validates what it is given. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type KnotPlace, knotConf, newZone, parseRecords, type Rrset } from "./zone.ts";

/** Knot refused something. */
export class KnotError extends Error {
  /** `record`: it can't be read; `zone`: the zone as a whole would be wrong. */
  readonly about: "record" | "zone";

  constructor(about: "record" | "zone", message: string) {
    super(message);
    this.name = "KnotError";
    this.about = about;
  }
}

/** What `startKnot` needs. */
export interface KnotOptions extends KnotPlace {
  /** Zones that are made unless they are there. */
  zones: readonly string[];
  /** The address of the name server ns1 of new zones. */
  address: string;
  /** Takes a line of knotd's log. */
  log: (line: string) => void;
}

/** One step of a change: owner is absolute; without values the record set goes. */
export interface Step {
  owner: string;
  type: string;
  ttl: number;
  values: readonly string[];
}

const START_TIMEOUT_MS = 10_000;
const START_POLL_MS = 25;

/** Writes a zone file in one piece. */
async function writeZone(dir: string, zone: string, address: string): Promise<void> {
  const file = join(dir, `${zone}.zone`);
  await writeFile(`${file}.new`, newZone(address));
  await rename(`${file}.new`, file);
}

/** The zones that have a file. */
async function storedZones(dir: string): Promise<string[]> {
  const files = await readdir(dir);
  return files.filter((file) => file.endsWith(".zone")).map((file) => file.slice(0, -".zone".length));
}

/** Starts knotd and waits until it answers. */
export async function startKnot(options: KnotOptions) {
  const { runDir, dataDir, address } = options;
  const zonesDir = join(dataDir, "zones");
  const conf = join(runDir, "knot.conf");
  const socket = join(runDir, "knot.sock");
  await Promise.all([mkdir(runDir, { recursive: true }), mkdir(zonesDir, { recursive: true })]);
  const zones = new Set(await storedZones(zonesDir));
  for (const zone of options.zones) {
    if (!zones.has(zone)) await writeZone(zonesDir, zone, address);
    zones.add(zone);
  }
  await writeFile(conf, knotConf(options, [...zones]));
  const child = spawn("knotd", ["-c", conf], { stdio: ["ignore", "ignore", "pipe"] });
  createInterface({ input: child.stderr }).on("line", options.log);
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(`knotd ended (${signal ?? code})`));
  });
  await Promise.race([untilReady(socket), exited.then((why) => Promise.reject(new Error(why)))]);
  return controller({ child, exited, socket, zones, zonesDir, address });
}

/** A running server. */
export type Knot = Awaited<ReturnType<typeof startKnot>>;

async function untilReady(socket: string): Promise<void> {
  const end = performance.now() + START_TIMEOUT_MS;
  // knotd tells only systemd when it is ready; so it is asked.
  while ((await knotc(socket, ["status"])).failed) {
    if (performance.now() > end) throw new Error(`knotd does not answer within ${START_TIMEOUT_MS} ms`);
    await setTimeout(START_POLL_MS);
  }
}

/** Runs one command. `--` keeps values that begin with a dash from being options. */
function knotc(socket: string, args: readonly string[]): Promise<{ failed: boolean; text: string }> {
  return new Promise((resolve) => {
    execFile("knotc", ["-s", socket, "--", ...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      // What the server refuses is told on stdout, what knotc itself can't do on stderr.
      resolve({ failed: error !== null, text: error === null ? stdout : stdout + stderr || error.message }),
    );
  });
}

interface Running {
  child: ChildProcess;
  exited: Promise<string>;
  socket: string;
  zones: Set<string>;
  zonesDir: string;
  address: string;
}

/** knotc says `error: (reason) [zone] what it was given`. */
const reasonOf = (text: string) => /\(([^)]*)\)/.exec(text)?.[1] ?? text;

const isAbsence = (reason: string) => reason === "no such node in zone found" || reason === "not exists";

function controller({ child, exited, socket, zones, zonesDir, address }: Running) {
  let last: Promise<unknown> = Promise.resolve();
  /** One change at a time: Knot has one transaction per zone and one of its configuration. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = last.then(change, change);
    last = turn;
    return turn;
  }

  async function run(about: KnotError["about"], ...args: string[]): Promise<string> {
    const { failed, text } = await knotc(socket, args);
    if (failed) throw new KnotError(about, reasonOf(text));
    return text;
  }

  async function set(zone: string, { owner, type, ttl, values }: Step): Promise<void> {
    const unset = await knotc(socket, ["zone-unset", zone, owner, type]);
    if (unset.failed && !isAbsence(reasonOf(unset.text))) throw new KnotError("zone", reasonOf(unset.text));
    for (const value of values) await run("record", "zone-set", zone, owner, String(ttl), type, value);
  }

  return {
    /** Settles when knotd ends, with the reason. */
    exited,
    zones: () => [...zones].sort(),
    hasZone: (zone: string) => zones.has(zone),
    /** Whether knotd answers. */
    isUp: async () => !(await knotc(socket, ["status"])).failed,

    /** Record sets of a zone: all, those of a name, or those of a name and type. */
    async read(zone: string, ...ownerAndType: string[]): Promise<Rrset[]> {
      const { failed, text } = await knotc(socket, ["zone-read", zone, ...ownerAndType]);
      if (!failed) return parseRecords(text, zone);
      const reason = reasonOf(text);
      if (isAbsence(reason)) return [];
      throw new Error(`knotc zone-read: ${reason}`);
    },

    /** Applies all steps or none. `guard` sees the zone as it is when the change's turn has come. */
    change: (zone: string, steps: readonly Step[], guard: () => Promise<void> = async () => {}) =>
      inTurn(async () => {
        await guard();
        await run("zone", "zone-begin", zone);
        try {
          for (const step of steps) await set(zone, step);
          await run("zone", "zone-commit", zone);
        } catch (error) {
          await knotc(socket, ["zone-abort", zone]);
          throw error;
        }
      }),

    /** Makes a zone with its SOA and name server. False when it is there already. */
    addZone: (zone: string) =>
      inTurn(async () => {
        if (zones.has(zone)) return false;
        await writeZone(zonesDir, zone, address);
        await run("zone", "conf-begin");
        await run("zone", "conf-set", `zone[${zone}]`);
        await run("zone", "conf-commit");
        zones.add(zone);
        return true;
      }),

    async stop(): Promise<void> {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
