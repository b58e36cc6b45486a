/**
 * smtp-in killed at random moments under load, with boxes that come and go, and then every message counted: what was
 * answered 250 is in the box. A kill takes all its processes at once, as when a container dies, or one worker; with the
 * power goes what the spool had not synced. (The boxes keep theirs: Dovecot's part is tested apart.)
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../fuzz/random.ts";
import { type Daemon, type LogLine, loggedTimes } from "../support/daemon-process.ts";
import { type Box, type MailSite, openMailSite } from "../support/mail-site.ts";
import { freePorts } from "../support/ports.ts";
import { RawClient } from "../support/raw-client.ts";
import { judge, type Sent } from "./ledger.ts";
import { PowerCut } from "./power/power-cut.ts";
import { keepSending, MARK, openSession } from "./sender.ts";
import { type CrashOptions, type CrashReport, drain, Tally } from "./trial.ts";

const MAIN = "mailserver/smtp-in/main.ts";
const BOXES = 3;
const SENDERS = 6;
const WORKERS = 2;
/** Messages between two cuts of the power. */
const AT_WORK = 4;

export async function crashSmtpIn(options: CrashOptions): Promise<CrashReport> {
  const site = await openMailSite({ boxes: BOXES });
  try {
    const power = options.power ? await PowerCut.open(spoolOf(site)) : undefined;
    return await new Trial(site, options, power).run();
  } finally {
    await site.close();
  }
}

const spoolOf = ({ folder }: MailSite): string => `${folder}/spool`;

class Trial {
  readonly #site: MailSite;
  readonly #options: CrashOptions;
  readonly #random: Random;
  readonly #sent: Sent[] = [];
  readonly #log: LogLine[] = [];
  readonly #tally = new Tally();
  readonly #power: PowerCut | undefined;
  readonly #faults: string[] = [];
  #settings: Record<string, unknown> = {};
  #healthPort = 0;

  constructor(site: MailSite, options: CrashOptions, power: PowerCut | undefined) {
    this.#power = power;
    this.#site = site;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<CrashReport> {
    const { boxes, settings } = this.#site;
    const [port = 0, healthPort = 0] = await freePorts(2);
    this.#healthPort = healthPort;
    this.#settings = {
      ...settings,
      ...{ port, healthPort, workers: WORKERS, queueDir: spoolOf(this.#site) },
      relay: { host: "127.0.0.1", port: 1, user: "smtp-in", password: "relay-password-0123" },
      retry: { firstMs: 100, maxMs: 2_000 },
    };
    const over = new AbortController();
    let daemon = await this.#start();
    const senders = Array.from({ length: SENDERS }, (_, number) => {
      const random = new Random(this.#options.seed + number + 1);
      const note = (sent: Sent): void => {
        this.#sent.push(sent);
        this.#tally.note(sent);
      };
      return keepSending({
        ...{ name: `s${number}`, random, signal: over.signal, note },
        open: () => openSession(() => RawClient.open(port)),
        from: (id) => `${id}@crash.example`,
        to: (_, chance) => someOf(boxes, chance),
        lines: (chance) => (chance.below(3) === 0 ? 800 : 5),
      });
    });
    const weather = this.#weather(over.signal);
    for (let kill = 1; kill <= this.#options.kills; kill += 1) {
      daemon = await this.#kill(daemon);
      if (kill % 50 === 0) this.#options.say(`${kill} kills, ${this.#sent.length} messages`);
    }
    over.abort();
    await Promise.all([weather, ...senders]);
    for (const { door } of boxes) await door.open();
    const undrained = await drain(this.#healthPort);
    this.#log.push(...daemon.lines);
    await daemon.kill();
    return this.#judge(undrained);
  }

  #start(): Promise<Daemon> {
    return this.#site.start(MAIN, this.#settings, this.#power?.env);
  }

  /** Waits a moment, kills, and gives the daemon that runs afterwards. */
  async #kill(daemon: Daemon): Promise<Daemon> {
    // A cut before anything was taken proves nothing, however slow the machine is.
    if (this.#power !== undefined) await Promise.race([this.#tally.more(AT_WORK), daemon.ended]);
    await sleep(20 + this.#random.below(600));
    const started = daemon.lines.filter(({ event }) => event === "worker.started");
    if (this.#power === undefined && this.#random.chance(0.4)) {
      const victim = this.#random.below(WORKERS) + 1;
      const pid = Number(started.findLast(({ worker }) => worker === victim)?.pid);
      process.kill(pid, "SIGKILL");
      await loggedTimes(daemon, "worker.started", started.length + 1);
      return daemon;
    }
    await daemon.kill();
    this.#log.push(...daemon.lines);
    const { power } = this.#options;
    if (power) this.#faults.push(...((await this.#power?.cut(this.#random, power)) ?? []));
    return this.#start();
  }

  /** Boxes that are down for a while, and connections that break. */
  async #weather(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(50 + this.#random.below(400));
      const { door } = this.#random.pick(this.#site.boxes as readonly [Box, ...Box[]]);
      if (this.#random.chance(0.5)) {
        door.cut();
        continue;
      }
      await door.shut();
      await sleep(this.#random.below(1_500));
      await door.open();
    }
  }

  async #judge(undrained: number): Promise<CrashReport> {
    const found = new Map<string, Map<string, number>>();
    for (const box of this.#site.boxes) found.set(box.uid, await box.count(MARK));
    const verdict = judge(this.#sent, found);
    const suspects = new Set([...verdict.lost, ...verdict.unasked].map((name) => name.split(" ")[0]));
    const evidence = this.#log.filter(({ from }) => suspects.has(String(from).split("@")[0]));
    const changesLost = this.#power?.lost ?? 0;
    return { ...verdict, kills: this.#options.kills, undrained, changesLost, evidence, faults: this.#faults };
  }
}

/** The first, if chance picks none. */
function someOf(boxes: readonly Box[], random: Random): readonly Box[] {
  const to = boxes.filter(() => random.chance(0.4));
  return to.length > 0 ? to : boxes.slice(0, 1);
}
