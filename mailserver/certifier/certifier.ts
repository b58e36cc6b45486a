/** Keeps a good certificate on the volume that the services read: looks, decides, orders, and sleeps until the next thing. */
import type { Log } from "../net/log.ts";
import type { TlsIdentity } from "../net/types.ts";
import type { Clock } from "../queue/clock.ts";
import type { Authority } from "./authority.ts";
import type { Challenges } from "./challenges.ts";
import { CertifierFault } from "./fault.ts";
import { order } from "./order.ts";
import { factsOf, type PairFacts, splitChain } from "./pair.ts";
import { decide, pause, putBack, type Reason, renewalTime, type Situation, worse } from "./plan.ts";
import { pick } from "./renewal-info.ts";
import type { ChallengeRecord, State, Store } from "./store.ts";

export interface CertifierDeps {
  readonly names: readonly string[];
  /** Names of domains that are given up: wanted for as long as they can be proven. */
  readonly leaving: readonly string[];
  /** The stack's own certificate and the key that every certificate is for; read each time. */
  readonly own: () => Promise<TlsIdentity>;
  readonly store: Store;
  readonly challenges: Challenges;
  /** Of the authority: where it is asked. */
  readonly directory: string;
  /** Made with `prove`, by which it publishes what it is to be shown. */
  readonly authority: (prove: (records: readonly ChallengeRecord[]) => Promise<void>) => Authority;
  readonly untilSeen: (records: readonly ChallengeRecord[]) => Promise<void>;
  readonly retry: { readonly firstMs: number; readonly maxMs: number };
  /** Milliseconds from the first start on for which no certificate is ordered yet. */
  readonly holdMs: number;
  /** Milliseconds between looks at the stack's own certificate, which an update may renew at any time. */
  readonly lookMs: number;
  /** Changes with the settings. */
  readonly version: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface Certifier {
  /** The services find a pair that they can serve. */
  healthy(): boolean;
  /** Begins nothing new. */
  close(): void;
}

/** When it resolves, the volume holds something to serve; it goes on by itself. Rejects when that can't be. */
export async function startCertifier(deps: CertifierDeps): Promise<Certifier> {
  const run = new Run(deps);
  await run.begin();
  return { healthy: () => run.healthy, close: () => run.close() };
}

interface Look extends Situation {
  readonly pair: TlsIdentity | undefined;
  readonly ownPair: TlsIdentity;
}

/** When the authority would have the served certificate renewed, and when to ask again. */
interface Renewal {
  readonly certificate: string;
  readonly window: string;
  readonly at: number | undefined;
  readonly askAt: number;
}

class Run {
  readonly #deps: CertifierDeps;
  readonly #authority: Authority;
  #state: State = { since: 0, issuedAt: 0, failedAt: 0, failures: 0, retryAt: 0, version: "", left: [] };
  #renewal: Renewal | undefined;
  #own: { ownPair: TlsIdentity; own: PairFacts } | undefined;
  /** When what is left of an order may be taken away again, after that failed. */
  #withdrawAt = 0;
  #told = "";
  #cancel = (): void => {};
  #ended = false;
  healthy = false;

  constructor(deps: CertifierDeps) {
    this.#deps = deps;
    this.#authority = deps.authority((records) => this.#prove(records));
  }

  async begin(): Promise<void> {
    const { store, clock, version, directory } = this.#deps;
    const known = await store.state();
    this.#state = { ...this.#state, since: clock.now(), issuedBy: directory, failedBy: directory, ...known };
    // Whoever changed the settings waits for the effect; an authority that has had enough does not care.
    const patient = this.#state.code === "rateLimited" && this.#state.failedBy === directory;
    if (this.#state.version !== version && !patient)
      this.#state = { ...this.#state, failures: 0, retryAt: 0 };
    await this.#remember({ version, ...putBack(this.#state, clock.now()) });
    await this.#serveOwn(await this.#look());
    this.#wait(0);
  }

  close(): void {
    this.#ended = true;
    this.#cancel();
  }

  #wait(ms: number): void {
    if (this.#ended) return;
    this.#cancel = this.#deps.clock.after(ms, () => {
      void this.#step().then((next) => this.#wait(next));
    });
  }

  /** One round; milliseconds until the next. Never rejects. */
  async #step(): Promise<number> {
    const { clock, lookMs } = this.#deps;
    try {
      const changed = putBack(this.#state, clock.now());
      if (changed) await this.#remember(changed);
      await this.#serveOwn(await this.#look());
      if (clock.elapsed() >= this.#withdrawAt) await this.#withdrawLeft();
      await this.#askRenewal();
      const situation = await this.#look();
      const { order: reason, wakeAt } = decide(situation);
      if (reason === undefined) {
        this.#tell(situation, wakeAt);
        return Math.max(Math.min(wakeAt - clock.now(), lookMs), 1);
      }
      await this.#order(reason, situation);
    } catch (error) {
      await this.#failed(error).catch(() => {});
    }
    return Math.max(Math.min(this.#state.retryAt - clock.now(), lookMs), 1);
  }

  async #look(): Promise<Look> {
    const { store, clock, names, holdMs, directory } = this.#deps;
    const [pair, { ownPair, own }] = await Promise.all([store.read(), this.#readOwn()]);
    const fresh = this.#renewal !== undefined && this.#renewal.certificate === pair?.certificate;
    return {
      ...{ now: clock.now(), wanted: names, pair, ownPair, own },
      served: factsOf(pair, ownPair),
      servesOwn: pair?.certificate === ownPair.certificate && pair.key === ownPair.key,
      foreign: this.#state.issuedBy !== directory,
      renewAt: fresh ? this.#renewal?.at : undefined,
      retryAt: this.#state.retryAt,
      holdUntil: this.#state.since + holdMs,
    };
  }

  /** While an update writes the files anew, what they had goes on. */
  async #readOwn(): Promise<{ ownPair: TlsIdentity; own: PairFacts }> {
    const ownPair = await this.#deps.own().catch(() => undefined);
    const own = ownPair && factsOf(ownPair, ownPair);
    if (ownPair && own) this.#own = { ownPair, own };
    if (this.#own === undefined) throw new Error("the stack's own certificate and its key can't be used");
    return this.#own;
  }

  async #serveOwn(situation: Look): Promise<void> {
    if (decide(situation).serveOwn) {
      await this.#deps.store.put(situation.ownPair);
      this.#log("certificate.own", situation.own);
    }
    this.healthy = true;
  }

  async #order(reason: Reason, situation: Look): Promise<void> {
    const { names, leaving, store, log, clock, directory } = this.#deps;
    const { ownPair, pair, served } = situation;
    log.info("certificate.ordered", { reason, names: [...names, ...leaving] });
    const replaces = reason === "renewal" ? pair?.certificate : undefined;
    const certificate = await order(
      { names, leaving, key: ownPair.key, replaces },
      { authority: this.#authority, withdraw: () => this.#withdrawLeft(), log },
    );
    const next = { certificate, key: ownPair.key };
    const facts = factsOf(next, ownPair);
    const fault = worse(facts, { ...situation, now: clock.now() });
    if (fault !== undefined || facts === undefined) throw refused(fault ?? "it can't be read");
    await store.put(next);
    await this.#remember({
      ...{ issuedAt: clock.now(), issuedBy: directory, failedAt: 0, failures: 0, retryAt: 0 },
      code: undefined,
    });
    this.#log("certificate.issued", facts, {
      reason,
      ...(served?.own ? {} : { before: iso(served?.notAfter) }),
    });
  }

  /** Written down first, so that a restart takes away what is left of an order. */
  async #prove(records: readonly ChallengeRecord[]): Promise<void> {
    await this.#remember({ left: [...this.#state.left, ...records] });
    await this.#deps.challenges.publish(records);
    await this.#deps.untilSeen(records);
  }

  async #withdrawLeft(): Promise<void> {
    const { left } = this.#state;
    if (left.length === 0) return;
    try {
      await this.#deps.challenges.withdraw(left);
      await this.#remember({ left: [] });
    } catch (error) {
      this.#withdrawAt = this.#deps.clock.elapsed() + this.#deps.retry.firstMs;
      this.#deps.log.warn("certificate.record.left", { records: left.length, ...reasonOf(error) });
    }
  }

  /** Not being told is no failure: two thirds of its life is the rule then. */
  async #askRenewal(): Promise<void> {
    const { clock, log, random } = this.#deps;
    const { pair, served, foreign } = await this.#look();
    if (pair === undefined || served === undefined || served.own || foreign) return;
    const known = this.#renewal?.certificate === pair.certificate ? this.#renewal : undefined;
    if (known !== undefined && clock.elapsed() < known.askAt) return;
    const [leaf = ""] = splitChain(pair.certificate);
    const info = await this.#authority.renewalInfo(leaf).catch((error: unknown) => {
      log.debug("certificate.renewal.unknown", reasonOf(error));
      return undefined;
    });
    const window = info?.window;
    const text = window === undefined ? "" : `${window.start}-${window.end}`;
    const at = known?.window === text ? known.at : window && pick(window, random());
    const askAt = clock.elapsed() + (info?.pollMs ?? 21_600_000);
    this.#renewal = { certificate: pair.certificate, window: text, at, askAt };
  }

  async #failed(error: unknown): Promise<void> {
    const { clock, retry, random, log, directory } = this.#deps;
    const { retryAfterMs } = error instanceof CertifierFault ? error : {};
    const failures = this.#state.failures + 1;
    const retryAt = clock.now() + pause({ failures, retryAfterMs }, retry, random());
    const reason = reasonOf(error);
    this.#state = { ...this.#state, failures, retryAt };
    log.error("certificate.failed", {
      ...reason,
      failures,
      failedAt: iso(clock.now()),
      retryAt: iso(retryAt),
    });
    await this.#remember({ failedAt: clock.now(), failedBy: directory, code: reason.code });
  }

  async #remember(changes: Partial<{ [Key in keyof State]: State[Key] | undefined }>): Promise<void> {
    this.#state = { ...this.#state, ...changes } as State;
    await this.#deps.store.save(this.#state);
  }

  /** What is served and when the next one is ordered, once each time that this changes. */
  #tell({ served }: Situation, wakeAt: number): void {
    if (served === undefined) return;
    const told = `${served.notAfter} ${wakeAt}`;
    if (told === this.#told) return;
    this.#told = told;
    const { issuedAt, failedAt } = this.#state;
    this.#log("certificate.kept", served, {
      own: served.own,
      orderAt: iso(wakeAt),
      ...(issuedAt === 0 ? {} : { issuedAt: iso(issuedAt) }),
      ...(failedAt === 0 ? {} : { failedAt: iso(failedAt) }),
    });
  }

  #log(
    event: "certificate.own" | "certificate.issued" | "certificate.kept",
    { names, notAfter, notBefore }: PairFacts,
    more: Readonly<Record<string, unknown>> = {},
  ): void {
    const { log, store, clock } = this.#deps;
    const facts = { certificateFile: store.certificateFile, names, notAfter: iso(notAfter) };
    const times =
      event === "certificate.issued"
        ? { issuedAt: iso(clock.now()), renewalAt: iso(renewalTime({ notBefore, notAfter })) }
        : {};
    log.info(event, { ...facts, ...times, ...more });
  }
}

const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString();

const refused = (why: string): CertifierFault =>
  new CertifierFault({
    code: "refused",
    message: `what the authority issued is not served: ${why}`,
    remedy: "The certificate before is served on. See the message; another is ordered later.",
  });

function reasonOf(error: unknown): { code: string; reason: string; remedy: string } {
  if (error instanceof CertifierFault) {
    const { code, message: reason, remedy } = error;
    return { code, reason, remedy };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return {
    code: "local",
    reason,
    remedy: "Has the host room left, and are the settings whole? It is tried again.",
  };
}
