/** Sends the reports of days that have ended, to the domains that ask for them (RFC 8460). */
import { createHash } from "node:crypto";
import type { SecurityDns } from "../courier/security.ts";
import type { Log } from "../net/log.ts";
import type { SessionNote } from "../policy/tls-report.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem } from "../queue/item.ts";
import { reportDestination } from "../queue/route.ts";
import type { Address } from "../smtp/types.ts";
import { SessionCounts } from "./counts.ts";
import { composeReport } from "./message.ts";
import type { PostReport } from "./post.ts";
import { type ReportReceiver, reportReceivers } from "./record.ts";
import { zippedReport } from "./report.ts";
import type { DomainDay, TlsReportStore } from "./store.ts";

export interface TlsReporterDeps {
  readonly store: TlsReportStore;
  readonly dns: Pick<SecurityDns, "resolveTxt">;
  readonly enqueue: (item: NewItem) => Promise<void>;
  readonly post: PostReport;
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
const STOP_MS = 1_000;
/** A report that could not be sent by then tells nothing new. */
const STALE_MS = 2 * DAY;

export function startTlsReporter(deps: TlsReporterDeps): TlsReporter {
  const { store, clock, log } = deps;
  const counts = new SessionCounts(store, clock.elapsed);
  const sent = new SentReports();
  let cancel = (): void => {};
  const stopping = new AbortController();
  const { signal } = stopping;
  let working: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    try {
      counts.write();
      for (const of of store.before(dayOf(clock.now()))) {
        if (signal.aborted) return;
        const age = clock.now() - (of.day + 1) * DAY;
        if (age >= offsetOf(of.domain)) await settle(of, age, { ...deps, sent, signal });
      }
    } catch (error) {
      log.warn("tls.report.failed", { error });
    }
  }

  function wait(): void {
    cancel = clock.after(LOOK_MS, () => {
      working = look().finally(() => {
        if (!signal.aborted) wait();
      });
    });
  }

  function counted(work: () => void): void {
    try {
      work();
    } catch (error) {
      log.warn("tls.report.failed", { error });
    }
  }

  wait();
  return {
    note: (session) => counted(() => counts.add(dayOf(clock.now()), session)),
    stop: async () => {
      stopping.abort();
      cancel();
      await over(working, clock);
      counted(() => counts.write());
    },
  };
}

/** DNS may be silent for longer than the daemon has to end; what is not finished then is done after the next start. */
async function over(work: Promise<void>, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const forget = clock.after(STOP_MS, resolve);
  await Promise.race([work, promise]);
  forget();
}

function dayOf(now: number): number {
  return Math.floor(now / DAY);
}

function offsetOf(domain: string): number {
  return createHash("sha256").update(domain).digest().readUInt32BE() % SPREAD_MS;
}

/** Who has a report already, while others of the same record do not: a server that is down is asked again, nobody else. */
class SentReports {
  readonly #uris = new Map<string, Set<string>>();

  of({ day, domain }: DomainDay): Set<string> {
    const name = `${day} ${domain}`;
    const uris = this.#uris.get(name) ?? new Set();
    this.#uris.set(name, uris);
    return uris;
  }

  forget({ day, domain }: DomainDay): void {
    this.#uris.delete(`${day} ${domain}`);
  }
}

type SettleDeps = TlsReporterDeps & { readonly sent: SentReports; readonly signal: AbortSignal };

/** Sends it, or finds that nobody wants it; what can't be known or done yet is left for the next time. */
async function settle(of: DomainDay, age: number, deps: SettleDeps): Promise<void> {
  const { store, log, sent, signal } = deps;
  // Forgotten after it is durable: it may go out twice, and has the same id then, but is never lost.
  const forget = (): void => {
    store.forget(of);
    sent.forget(of);
  };
  try {
    const receivers = await wanted(of.domain, deps);
    if (receivers.length > 0) await sendAll(of, receivers, deps);
    forget();
  } catch (error) {
    if (signal.aborted) return;
    const given = age >= STALE_MS;
    log.warn("tls.report.failed", { domain: of.domain, givenUp: given, error });
    if (given) forget();
  }
}

/** Nobody of ours: a stranger's record must not have us write to our own people. */
async function wanted(domain: string, { dns, domains }: TlsReporterDeps): Promise<ReportReceiver[]> {
  try {
    const { records } = await dns.resolveTxt(`_smtp._tls.${domain}`);
    return reportReceivers(records).filter(
      (receiver) => receiver.kind === "https" || !domains.includes(receiver.address.domain),
    );
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTFOUND" || code === "ENODATA" || code === "EBADNAME") return [];
    throw error;
  }
}

/** To each that does not have it yet; throws when one of them could not get it. */
async function sendAll(of: DomainDay, receivers: readonly ReportReceiver[], deps: SettleDeps): Promise<void> {
  const { store, hostname, domains, post, log, signal } = deps;
  const domain = domains[0] ?? hostname;
  const reporter = { domain, contact: `postmaster@${domain}` };
  const zipped = await zippedReport(of, store.read(of), reporter);
  const done = deps.sent.of(of);
  const open = receivers.filter(({ uri }) => !done.has(uri));
  const mails = open.filter((receiver) => receiver.kind === "mail");
  if (mails.length > 0) {
    await mail({ of, zipped, reporter, to: mails.map(({ address }) => address) }, deps);
    for (const { uri } of mails) done.add(uri);
  }
  const failures: unknown[] = [];
  for (const receiver of open) {
    if (receiver.kind !== "https") continue;
    try {
      await post(receiver.url, zipped, signal);
      done.add(receiver.uri);
      log.info("tls.report.sent", { domain: of.domain, to: receiver.uri });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function mail(
  {
    to,
    ...report
  }: Omit<Parameters<typeof composeReport>[0], "to" | "messageId" | "now"> & {
    readonly to: readonly Address[];
  },
  { enqueue, sign, hostname, newId, clock, log }: TlsReporterDeps,
): Promise<void> {
  const id = newId();
  const addresses = to.map(({ text }) => text);
  const now = new Date(clock.now());
  const message = await composeReport({ ...report, to: addresses, messageId: `<${id}@${hostname}>`, now });
  await enqueue({
    id,
    created: clock.now(),
    // Nobody is told when it can't be delivered: the next one comes in a day.
    envelope: { from: "", eightBit: false, smtputf8: false },
    recipients: to.map((address) => ({ address: address.text, destination: reportDestination(address) })),
    body: await sign(message),
  });
  log.info("tls.report.queued", { item: id, domain: report.of.domain, to: addresses });
}
