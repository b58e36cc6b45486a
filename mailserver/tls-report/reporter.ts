/** Sends the reports of days that have ended, to the domains that ask for them (RFC 8460). */
import { createHash } from "node:crypto";
import type { SecurityDns } from "../courier/security.ts";
import type { Log } from "../net/log.ts";
import type { SessionNote } from "../policy/tls-report.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem } from "../queue/item.ts";
import { reportDestination } from "../queue/route.ts";
import type { Address } from "../smtp/types.ts";
import { composeReport } from "./message.ts";
import { reportAddresses } from "./record.ts";
import type { DomainDay, TlsReportStore } from "./store.ts";

export interface TlsReporterDeps {
  readonly store: TlsReportStore;
  readonly dns: Pick<SecurityDns, "resolveTxt">;
  readonly enqueue: (item: NewItem) => Promise<void>;
  /** Signs a message with the key of our first domain. */
  readonly sign: (message: Buffer) => Promise<Buffer>;
  readonly hostname: string;
  /** Ours; the reports are the first one's. */
  readonly domains: readonly string[];
  readonly newId: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface TlsReporter {
  /** Counts a session. Never throws: no mail waits because of a count. */
  note(session: SessionNote): void;
  stop(): Promise<void>;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** RFC 8460 section 4.1: not all at midnight. Each domain has its own time in these hours, always the same. */
const SPREAD_MS = 4 * HOUR;
const LOOK_MS = HOUR;
/** A report that could not be sent by then tells nothing new. */
const STALE_MS = 2 * DAY;

export function startTlsReporter(deps: TlsReporterDeps): TlsReporter {
  const { store, clock, log } = deps;
  let cancel = (): void => {};
  let stopped = false;
  let working: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    try {
      for (const of of store.before(dayOf(clock.now()))) {
        if (stopped) return;
        const age = clock.now() - (of.day + 1) * DAY;
        if (age >= offsetOf(of.domain)) await settle(of, age, deps);
      }
    } catch (error) {
      log.warn("tls.report.failed", { error });
    }
  }

  function wait(): void {
    cancel = clock.after(LOOK_MS, () => {
      working = look().finally(() => {
        if (!stopped) wait();
      });
    });
  }

  wait();
  return {
    note(session) {
      try {
        store.note(dayOf(clock.now()), session);
      } catch (error) {
        log.warn("tls.report.failed", { domain: session.domain, error });
      }
    },
    stop: async () => {
      stopped = true;
      cancel();
      await working;
    },
  };
}

function dayOf(now: number): number {
  return Math.floor(now / DAY);
}

function offsetOf(domain: string): number {
  return createHash("sha256").update(domain).digest().readUInt32BE() % SPREAD_MS;
}

/** Sends it, or finds that nobody wants it; what can't be known yet is left for the next time. */
async function settle(of: DomainDay, age: number, deps: TlsReporterDeps): Promise<void> {
  const { store, log } = deps;
  try {
    const to = await wanted(of.domain, deps);
    // Forgotten after it is durable: it may go out twice, and has the same id then, but is never lost.
    if (to.length > 0) await send(of, to, deps);
    store.forget(of);
  } catch (error) {
    const given = age >= STALE_MS;
    log.warn("tls.report.failed", { domain: of.domain, givenUp: given, error });
    if (given) store.forget(of);
  }
}

/** Nobody of ours: a stranger's record must not have us write to our own people. */
async function wanted(domain: string, { dns, domains }: TlsReporterDeps): Promise<Address[]> {
  try {
    const { records } = await dns.resolveTxt(`_smtp._tls.${domain}`);
    return reportAddresses(records).filter((address) => !domains.includes(address.domain));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw error;
  }
}

async function send(of: DomainDay, to: readonly Address[], deps: TlsReporterDeps): Promise<void> {
  const { store, enqueue, sign, hostname, domains, newId, clock, log } = deps;
  const domain = domains[0] ?? hostname;
  const id = newId();
  const message = await composeReport({
    of,
    tallies: store.read(of),
    reporter: { domain, contact: `postmaster@${domain}` },
    to: to.map(({ text }) => text),
    messageId: `<${id}@${hostname}>`,
    now: new Date(clock.now()),
  });
  await enqueue({
    id,
    created: clock.now(),
    // Nobody is told when it can't be delivered: the next one comes in a day.
    envelope: { from: "", eightBit: false, smtputf8: false },
    recipients: to.map((address) => ({ address: address.text, destination: reportDestination(address) })),
    body: await sign(message),
  });
  log.info("tls.report.queued", { item: id, domain: of.domain, to: to.map(({ text }) => text) });
}
