/**
 * smtp-out killed at random moments under load, and then every message counted: what was answered 250 is where it
 * belongs, and who sent to somebody unknown was told so once. The foreign server and the box are this process.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reply } from "../../mailserver/smtp/replies.ts";
import type { Decision } from "../../mailserver/smtp/types.ts";
import { bundleDaemon } from "../../tools/bundle.ts";
import { Random } from "../fuzz/random.ts";
import { type Daemon, type LogLine, logged, spawnDaemon } from "../support/daemon-process.ts";
import { makeIdentity, writeIdentity } from "../support/identity.ts";
import { startLdap } from "../support/ldap-stub.ts";
import { type Peer, type Received, startPeer } from "../support/peer.ts";
import { freePorts } from "../support/ports.ts";
import { RawClient } from "../support/raw-client.ts";
import { dsnFaults, judge, type Notice, type Sent, settledTwice } from "./ledger.ts";
import { PowerCut } from "./power/power-cut.ts";
import { keepSending, MARK, openSession, type Recipient } from "./sender.ts";
import { type CrashOptions, type CrashReport, drain, Tally } from "./trial.ts";

const SENDERS = 6;
/** Messages between two kills. */
const AT_WORK = 8;
const PERSON = "alice@semail.test";
const LOGIN = `AUTH PLAIN ${Buffer.from("\0alice\0password").toString("base64")}`;
/** An address literal needs no DNS (RFC 5321 section 4.1.3). */
const AT = "@[127.0.0.1]";

export async function crashSmtpOut(options: CrashOptions): Promise<CrashReport> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "semail-crash-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const random = new Random(options.seed);
  const hours = { open: options.busy !== true };
  const remote = stack.use(await startPeer({ rcpt: (address) => remoteSays(address, hours.open, random) }));
  const box = stack.use(await startPeer({ protocol: "lmtp" }));
  const ldap = await startLdap({ uid: "alice", mailHost: "127.0.0.1", mailLocalAddress: PERSON });
  stack.defer(() => ldap.close());
  const [submissionPort = 0, submissionsPort = 0, relayPort = 0, healthPort = 0] = await freePorts(4);
  const identity = await makeIdentity("mail.semail.test");
  const settings = {
    ...{ hostname: "mail.semail.test", domains: ["semail.test"], queueDir: join(folder, "queue") },
    ...{
      submissionPort,
      submissionsPort,
      relayPort,
      healthPort,
      lmtpPort: box.port,
      remotePort: remote.port,
    },
    directory: { url: `ldap://127.0.0.1:${ldap.port}`, bindDn: "cn=x", password: "x", peopleDn: "ou=people" },
    tls: await writeIdentity(folder, identity),
    relay: { user: "smtp-in", password: "relay-password-0123" },
    ...{ resolvers: ["127.0.0.1:1"], allowTargets: ["127.0.0.0/8"], sending: { exempt: ["alice"] } },
    retry: { firstMs: 100, maxMs: 1_000 },
  };
  const power = options.power ? await PowerCut.open(settings.queueDir) : undefined;
  const trial = new Trial({ folder, settings, random, options, power });
  return await trial.run({ remote, hours, box, healthPort, port: submissionsPort, ca: identity.ca });
}

/** Now and then it has no time; some it does not know. */
function remoteSays(address: string, open: boolean, random: Random): Decision | undefined {
  if (!open) return { kind: "refuse", reply: reply(450, "4.2.0", "closed") };
  if (address.startsWith("no-")) return { kind: "refuse", reply: reply(550, "5.1.1", "nobody") };
  return random.chance(0.1) ? { kind: "refuse", reply: reply(450, "4.2.0", "later") } : undefined;
}

interface Site {
  readonly remote: Peer;
  /** Whether it takes mail at all now. */
  readonly hours: { open: boolean };
  readonly box: Peer;
  readonly healthPort: number;
  readonly port: number;
  readonly ca: string;
}

class Trial {
  readonly #folder: string;
  readonly #settings: object;
  readonly #random: Random;
  readonly #options: CrashOptions;
  readonly #power: PowerCut | undefined;
  readonly #faults: string[] = [];
  readonly #tally = new Tally();
  readonly #sent: Sent[] = [];
  readonly #log: LogLine[] = [];

  constructor(parts: {
    folder: string;
    settings: object;
    random: Random;
    options: CrashOptions;
    power: PowerCut | undefined;
  }) {
    this.#power = parts.power;
    this.#folder = parts.folder;
    this.#settings = parts.settings;
    this.#random = parts.random;
    this.#options = parts.options;
  }

  async run(site: Site): Promise<CrashReport> {
    const { kills, seed, say, change = (same) => same } = this.#options;
    const bundle = Buffer.from(await bundleDaemon("mailserver/smtp-out/main.ts")).toString();
    await writeFile(join(this.#folder, "main.mjs"), change(bundle));
    await writeFile(join(this.#folder, "settings.json"), JSON.stringify(this.#settings));
    const over = new AbortController();
    let daemon = await this.#start();
    try {
      const senders = Array.from({ length: SENDERS }, (_, number) =>
        keepSending({
          ...{ name: `s${number}`, random: new Random(seed + number + 1), signal: over.signal },
          open: () => openSession(() => RawClient.open(site.port, { ca: site.ca }), LOGIN),
          from: () => PERSON,
          to: recipientsOf,
          lines: (random) => (random.below(20) === 0 ? 800 : 5),
          note: (sent) => this.#note(sent),
        }),
      );
      for (let kill = 1; kill <= kills; kill += 1) {
        // One in four at any moment, while it starts too; the others when it has had work, however slow the machine is.
        if (kill % 4 !== 0) await Promise.race([this.#tally.more(AT_WORK), daemon.ended]);
        await sleep(20 + this.#random.below(500));
        await daemon.kill();
        this.#log.push(...daemon.lines.filter(({ event }) => event === "queue.delivered"));
        await this.#cutPower();
        daemon = await this.#start();
        if (kill % 50 === 0) say(`${kill} kills, ${this.#sent.length} messages`);
      }
      over.abort();
      site.hours.open = true;
      await Promise.all(senders);
      const undrained = await drain(site.healthPort);
      this.#log.push(...daemon.lines.filter(({ event }) => event === "queue.delivered"));
      return this.#judge(site, undrained);
    } finally {
      over.abort();
      await daemon.kill();
    }
  }

  #note(sent: Sent): void {
    this.#sent.push(sent);
    this.#tally.note(sent);
  }

  async #cutPower(): Promise<void> {
    const { power } = this.#options;
    if (power) this.#faults.push(...((await this.#power?.cut(this.#random, power)) ?? []));
  }

  async #start(): Promise<Daemon> {
    const file = (name: string): string => join(this.#folder, name);
    const daemon = spawnDaemon(file("main.mjs"), file("settings.json"), this.#folder, this.#power?.env);
    await logged(daemon, "daemon.ready");
    return daemon;
  }

  #judge({ remote, box }: Site, undrained: number): CrashReport {
    const known = this.#sent.map(({ to, ...rest }) => ({ ...rest, to: to.filter((uid) => !fails(uid)) }));
    const verdict = judge(known, countAll(remote.received));
    const failing = this.#sent.filter(({ to }) => to.some(fails));
    const changesLost = this.#power?.lost ?? 0;
    const faults = [
      ...this.#faults,
      ...dsnFaults(failing, box.received.map(toNotice)),
      ...settledTwice(this.#log),
    ];
    const suspects = [...verdict.lost, ...verdict.unasked].map((name) => name.split(" for ")[1]);
    const evidence = this.#log.filter(({ to }) => suspects.includes(String(to)));
    return { ...verdict, kills: this.#options.kills, undrained, changesLost, faults, evidence };
  }
}

const fails = (address: string): boolean => address.startsWith("no-");

function recipientsOf(id: string, random: Random): Recipient[] {
  const names = [
    `a-${id}`,
    ...(random.chance(0.4) ? [`b-${id}`] : []),
    ...(random.chance(0.2) ? [`no-${id}`] : []),
  ];
  return names.map((name) => ({ uid: `${name}${AT}`, address: `${name}${AT}` }));
}

const markOf = ({ body }: Received): string =>
  new RegExp(`^${MARK}: (\\S+)`, "m").exec(body.toString("latin1"))?.[1] ?? "";

/** A notification: of which message, and which it is itself. */
function toNotice(message: Received): Notice {
  const own = /^Message-ID: *(?:\r\n\s+)?(\S+)/im.exec(message.body.toString("latin1"))?.[1] ?? "";
  return { of: markOf(message), id: own };
}

/** By recipient, how often it has each message. */
function countAll(received: readonly Received[]): Map<string, Map<string, number>> {
  const found = new Map<string, Map<string, number>>();
  for (const message of received) {
    const mark = markOf(message);
    for (const recipient of message.recipients) {
      const counts = found.get(recipient) ?? new Map<string, number>();
      found.set(recipient, counts.set(mark, (counts.get(mark) ?? 0) + 1));
    }
  }
  return found;
}
