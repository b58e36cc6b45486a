/** Carries a message to the mail hosts of a foreign domain. */
import type { Log } from "../net/log.ts";
import type { Connections } from "../net/pool.ts";
import type { ClientTimeouts, ConnectFailed, DeliveryReport, MessageSignals } from "../net/types.ts";
import { unlessAborted } from "../net/unless-aborted.ts";
import type { TlsDemand } from "../policy/tls.ts";
import { type PolicyFailure, refusedResult, type SessionNote } from "../policy/tls-report.ts";
import { reply } from "../smtp/replies.ts";
import type { Address, Outcome } from "../smtp/types.ts";
import { attemptSignals, refused } from "./attempt-limits.ts";
import { afterAnotherHost, afterConnectFailure, connectOutcome, tryAnotherHost } from "./classify.ts";
import {
  findAddresses,
  findHosts,
  type HostAddresses,
  type MxDeps,
  type NoRoute,
  type Route,
  someAddresses,
} from "./mx.ts";
import type { DomainSecurity, Reportable, SecuredBy, Security } from "./security.ts";
import { closedTarget, type TargetRule } from "./target.ts";
import { doubtOf, policyBreach, type TlsWishes, tlsWishes } from "./tls-wishes.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

export interface SmtpCourierDeps extends MxDeps {
  /** Our name in EHLO. */
  readonly hostname: string;
  /** Port of the mail hosts. */
  readonly port: number;
  /** Asked for each address that a stranger's DNS or address literal gave, just before connecting. */
  readonly mayReach: TargetRule;
  /** How sessions with the hosts of a domain must be secured. */
  readonly security: Security;
  readonly connections: Connections;
  /** Told of each session with a host of a domain. */
  readonly noted?: (session: SessionNote) => void;
  readonly log: Log;
  readonly timeouts?: Partial<ClientTimeouts>;
  /** Milliseconds for all hosts together; 30 minutes unless told, and more for a large message. */
  readonly attemptMs?: number;
  /** Milliseconds that a host is still given for its answer to the message when others wait; two minutes unless told. */
  readonly answerMs?: number;
}

/** Ends with `ending` at once; with `giveWay` soon, but not so that a host may have taken what is sent again. */
export type SmtpCourier = (
  domain: string,
  delivery: Delivery,
  ending: AbortSignal,
  giveWay?: AbortSignal,
) => Promise<Result[]>;

/** What one attempt tries at most, whatever a domain publishes: so many hosts, so many addresses of each. */
const MAX_HOSTS = 10;
const MAX_ADDRESSES = 4;
/**
 * Sessions in which a host refused all for now: a full box is one at every host, each session may carry the whole message, and
 * many cost the sender its good name. Two, as Postfix has it (smtp_mx_session_limit).
 */
const MAX_REFUSED = 2;
/**
 * RFC 5321 section 4.5.3.2 asks for minutes once a host has answered, but says nothing of TCP: a live host answers
 * within a second, and the dead ones before it shall not use up the time of the attempt.
 */
const CONNECT_MS = 10_000;
/**
 * A host that answers each command just in time would else keep a place in the queue for hours. The answer to the message
 * itself has its own time (RFC 5321 section 4.5.3.2.6): who cuts that off sends the message twice.
 */
const ATTEMPT_MS = 1_800_000;
/** Bytes in a millisecond that a line carries in any case: a large message must come to its end in one attempt. */
const SLOWEST_LINE = 4;
/** Unless others wait for its place for longer than this. */
const ANSWER_MS = 120_000;

const NOBODY: Result = {
  kind: "temporary",
  reply: reply(451, "4.4.1", "No mail host could be reached"),
};

interface Host {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly tls: SecuredBy;
}

interface Target {
  readonly host: string;
  readonly address: string;
  readonly tls: TlsDemand & Reportable;
}

/** Each host in turn, each of its addresses in turn, until every recipient has a final answer. */
export function createSmtpCourier(deps: SmtpCourierDeps): SmtpCourier {
  return async (domain, delivery, ending, giveWay) => {
    using signals = attemptSignals({
      attemptMs: (deps.attemptMs ?? ATTEMPT_MS) + delivery.body.length / SLOWEST_LINE,
      answerMs: deps.answerMs ?? ANSWER_MS,
      ...{ ending, giveWay },
    });
    const attempt = new Attempt(domain, delivery, deps, signals);
    const way = await attempt.look(findWay(domain, deps));
    if (way?.kind === "none") {
      deps.log.info("dns.failed", { domain, reply: way.outcome.reply });
      return forAll(delivery.recipients, way.outcome);
    }
    if (way !== undefined) await attempt.tryHosts(way);
    if (giveWay?.aborted === true) deps.log.info("net.attempt.ended", { domain });
    return attempt.results();
  };
}

/** The hosts of a domain, and how sessions with them must be secured. */
type Way = Extract<Route, { kind: "hosts" }> & { readonly decide: DomainSecurity };

async function findWay(domain: string, deps: SmtpCourierDeps): Promise<Way | NoRoute> {
  const route = await findHosts(domain, deps);
  return route.kind === "none" ? route : { ...route, decide: await deps.security(domain) };
}

/** What is to be known of a host before it is asked. */
async function openHost(
  host: string,
  { secure: named, decide }: Way,
  deps: SmtpCourierDeps,
): Promise<(Host & { readonly kind: "host" }) | NoRoute> {
  const found = await openAddresses(host, deps);
  if (found.kind === "none") return found;
  const tls = await decide({ host, named, found });
  return { kind: "host", host, addresses: found.addresses, tls };
}

/** The addresses of a host to which we may connect. */
async function openAddresses(host: string, deps: SmtpCourierDeps): Promise<HostAddresses> {
  const found = await findAddresses(host, deps.dns);
  if (found.kind === "none") return found;
  const addresses = found.addresses.filter(deps.mayReach);
  if (addresses.length < found.addresses.length) {
    deps.log.warn("net.target.closed", { host, addresses: found.addresses });
  }
  return addresses.length > 0
    ? { ...found, addresses: someAddresses(addresses, MAX_ADDRESSES) }
    : { kind: "none", outcome: closedTarget(host) };
}

function mayDoInClearText({ tls }: TlsWishes, { stage, reply }: ConnectFailed): boolean {
  return tls === "opportunistic" && afterConnectFailure(stage, reply) === "clearText";
}

/** One message on its way through the hosts of a domain. */
class Attempt {
  readonly #domain: string;
  readonly #delivery: Delivery;
  readonly #deps: SmtpCourierDeps;
  readonly #signals: Required<MessageSignals>;
  readonly #results = new Map<Address, Result>();
  #open: readonly Address[];
  #refused = 0;

  constructor(domain: string, delivery: Delivery, deps: SmtpCourierDeps, signals: Required<MessageSignals>) {
    this.#domain = domain;
    this.#delivery = delivery;
    this.#deps = deps;
    this.#signals = signals;
    this.#open = delivery.recipients;
  }

  /** What comes of a question; undefined when time is up: a silent name server takes longer than a daemon has to end. */
  look<T>(question: Promise<T>): Promise<T | undefined> {
    return unlessAborted(question, this.#signals.signal, () => undefined);
  }

  /** Another host before another address of one that refused: both addresses may be the same machine. */
  async tryHosts(way: Way): Promise<void> {
    const rest: Target[] = [];
    for (const host of way.hosts.slice(0, MAX_HOSTS)) {
      if (this.#over()) return;
      const found = await this.look(openHost(host, way, this.#deps));
      if (found?.kind === "none") this.#noteAll(found.outcome, host);
      if (found?.kind === "host") rest.push(...(await this.#tryHost(found)));
    }
    await this.#untilRefused(rest);
  }

  results(): Result[] {
    return this.#delivery.recipients.map((recipient) => {
      const result = this.#results.get(recipient);
      // Cut off: what the hosts that were asked said is not what all say.
      const cutOff = this.#signals.signal.aborted && this.#open.includes(recipient);
      return result === undefined || cutOff ? afterAnotherHost(result, NOBODY) : result;
    });
  }

  /** Nobody is left who could profit from another host, or enough of them were asked. */
  #over(): boolean {
    return this.#open.length === 0 || this.#refused >= MAX_REFUSED || this.#signals.signal.aborted;
  }

  /** A host could take nothing. */
  #noteAll(outcome: Outcome, host: string): void {
    for (const recipient of this.#open) {
      this.#results.set(recipient, afterAnotherHost(this.#results.get(recipient), { ...outcome, host }));
    }
  }

  /** Gives the addresses that were not asked, since another one refused. */
  async #tryHost({ host, addresses, tls }: Host): Promise<Target[]> {
    if (tls.kind === "refuse") {
      this.#deps.log.warn("tls.policy.violated", { host, by: tls.by, reply: tls.outcome.reply });
      this.#noteAll(tls.outcome, host);
      this.#report({ host, tls }, refusedResult(tls.by));
      return [];
    }
    return this.#untilRefused(addresses.map((address) => ({ host, address, tls })));
  }

  async #untilRefused(targets: readonly Target[]): Promise<Target[]> {
    const before = this.#refused;
    for (const [index, target] of targets.entries()) {
      if (this.#over() || this.#refused > before) return targets.slice(index);
      await this.#tryAddress(target);
    }
    return [];
  }

  async #tryAddress(target: Target): Promise<void> {
    const { host, address, tls } = target;
    const wishes = tlsWishes(tls, host);
    let report = await this.#send(target, wishes);
    const inClear = report.kind === "failed" && mayDoInClearText(wishes, report.failure);
    if (report.kind === "failed" && inClear) {
      const { reply: said, cause: error } = report.failure;
      this.#deps.log.info("net.tls.failed", { host, address, reply: said, error });
      report = await this.#send(target, { tls: "never", serverName: host });
    }
    if (report.kind === "failed") {
      this.#noteAll(this.#failed(target, report.failure), host);
      return;
    }
    const doubt = doubtOf(tls, report, inClear);
    if (doubt !== undefined && tls.kind === "testing") {
      const reason = doubt.reason ?? "no TLS";
      this.#deps.log.warn("tls.policy.violated", { host, address, by: "MTA-STS", testing: true, reason });
    }
    this.#report(target, doubt ?? tls.lack);
    const { outcomes } = report;
    const asked = this.#open;
    for (const [index, recipient] of asked.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined) this.#results.set(recipient, { ...outcome, host });
    }
    this.#open = asked.filter((_, index) => {
      const outcome = outcomes[index];
      return outcome !== undefined && tryAnotherHost(outcome, report);
    });
    // Who takes the message for some brings it further, as where a host takes few recipients at once.
    if (refused(outcomes)) this.#refused += 1;
  }

  #failed(target: Target, { stage, reply: answer, cause }: ConnectFailed): Outcome {
    const { host, address, tls } = target;
    this.#deps.log.info("net.host.failed", { host, address, stage, reply: answer, error: cause });
    const breach = policyBreach(tls, host, answer, cause);
    if (breach === undefined) return connectOutcome(stage, answer);
    const by = "by" in tls ? tls.by : undefined;
    this.#deps.log.warn("tls.policy.violated", { host, address, by, reply: breach.outcome.reply });
    this.#report(target, breach.failure);
    return breach.outcome;
  }

  #report(
    { host, address, tls: { policy } }: Pick<Host, "host" | "tls"> & { readonly address?: string },
    failure: PolicyFailure | undefined,
  ): void {
    if (policy === undefined) return;
    const peer = { host, ...(address !== undefined && { address }) };
    this.#deps.noted?.({ domain: this.#domain, policy, ...peer, ...(failure && { failure }) });
  }

  #send({ address }: Target, { tls, ...wishes }: TlsWishes): Promise<DeliveryReport> {
    const { hostname, port, timeouts, connections } = this.#deps;
    const { signal, answerSignal } = this.#signals;
    const { from, recipients, dsn = {}, recipientDsn = [], body, eightBit, smtputf8 } = this.#delivery;
    const openDsn = this.#open.map((recipient) => recipientDsn[recipients.indexOf(recipient)]);
    return connections.deliver(
      {
        host: address,
        port,
        session: { protocol: "smtp", hostname, tls },
        ...wishes,
        ...{ signal, answerSignal },
        timeouts: { connectMs: CONNECT_MS, ...timeouts },
      },
      { from, recipients: this.#open, dsn, recipientDsn: openDsn, size: body.length, eightBit, smtputf8 },
      body,
    );
  }
}
