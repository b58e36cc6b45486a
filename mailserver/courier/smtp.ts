/** Carries a message to the mail hosts of a foreign domain. */
import { deliver } from "../net/client.ts";
import type { Log } from "../net/log.ts";
import type { ClientTimeouts, DeliveryReport } from "../net/types.ts";
import { reply } from "../smtp/replies.ts";
import type { Address, Outcome } from "../smtp/types.ts";
import { afterConnectFailure, connectOutcome, tryAnotherHost } from "./classify.ts";
import { findAddresses, findHosts, type HostAddresses, type MxDeps } from "./mx.ts";
import { closedTarget, type TargetRule } from "./target.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

export interface SmtpCourierDeps extends MxDeps {
  /** Our name in EHLO. */
  readonly hostname: string;
  /** Port of the mail hosts. */
  readonly port: number;
  /** Asked for each address that a stranger's DNS or address literal gave, just before connecting. */
  readonly mayReach: TargetRule;
  readonly log: Log;
  readonly timeouts?: Partial<ClientTimeouts>;
  /** Milliseconds for all hosts together; 30 minutes unless told. */
  readonly attemptMs?: number;
}

export type SmtpCourier = (domain: string, delivery: Delivery, signal: AbortSignal) => Promise<Result[]>;

/** Addresses that one attempt tries at most, whatever a domain publishes. */
const MAX_ADDRESSES = 6;
/** A host that answers each command just in time would else keep a place in the queue for hours. */
const ATTEMPT_MS = 1_800_000;

interface Target {
  readonly host: string;
  readonly address: string;
}

/** Each host in turn, each of its addresses in turn, until every recipient has a final answer. */
export function createSmtpCourier(deps: SmtpCourierDeps): SmtpCourier {
  return async (domain, delivery, signal) => {
    const route = await findHosts(domain, deps);
    if (route.kind === "none") {
      deps.log.info("dns.failed", { domain, reply: route.outcome.reply });
      return forAll(delivery.recipients, route.outcome);
    }
    const attempt = new Attempt(delivery, deps, signal);
    for (const host of route.hosts) {
      if (attempt.over()) break;
      const found = await openAddresses(host, deps);
      if (found.kind === "none") attempt.noteAll(found.outcome, host);
      else await attempt.tryHost(found.addresses.map((address) => ({ host, address })));
    }
    return attempt.results();
  };
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
    ? { kind: "addresses", addresses }
    : { kind: "none", outcome: closedTarget(host) };
}

/** One message on its way through the hosts of a domain. */
class Attempt {
  readonly #delivery: Delivery;
  readonly #deps: SmtpCourierDeps;
  readonly #signal: AbortSignal;
  readonly #results = new Map<Address, Result>();
  #open: readonly Address[];
  #tried = 0;

  constructor(delivery: Delivery, deps: SmtpCourierDeps, signal: AbortSignal) {
    this.#delivery = delivery;
    this.#deps = deps;
    this.#signal = AbortSignal.any([signal, AbortSignal.timeout(deps.attemptMs ?? ATTEMPT_MS)]);
    this.#open = delivery.recipients;
  }

  /** Nobody is left who could profit from another host. */
  over(): boolean {
    return this.#open.length === 0 || this.#signal.aborted || this.#tried >= MAX_ADDRESSES;
  }

  /** A host could take nothing. What is permanent at one host is so for the message when all hosts are like it. */
  noteAll(outcome: Outcome, host: string): void {
    for (const recipient of this.#open) {
      const before = this.#results.get(recipient);
      if (before?.kind === "temporary" && outcome.kind === "permanent") continue;
      this.#results.set(recipient, { ...outcome, host });
    }
  }

  async tryHost(targets: readonly Target[]): Promise<void> {
    for (const target of targets) {
      if (this.over()) return;
      this.#tried += 1;
      await this.#tryAddress(target);
    }
  }

  results(): Result[] {
    const nobody = {
      kind: "temporary",
      reply: reply(451, "4.4.1", "No mail host could be reached"),
    } as const;
    return this.#delivery.recipients.map((recipient) => this.#results.get(recipient) ?? nobody);
  }

  async #tryAddress(target: Target): Promise<void> {
    let report = await this.#send(target, "opportunistic");
    if (report.kind === "failed" && this.#next(report) === "clearText") {
      this.#deps.log.info("net.tls.failed", { ...target, reply: report.failure.reply });
      report = await this.#send(target, "never");
    }
    if (report.kind === "failed") {
      const { stage, reply: answer } = report.failure;
      this.noteAll(connectOutcome(stage, answer), target.host);
      if (this.#next(report) === "giveUp") this.#open = [];
      return;
    }
    const outcomes = report.outcomes;
    const asked = this.#open;
    for (const [index, recipient] of asked.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined) this.#results.set(recipient, { ...outcome, host: target.host });
    }
    this.#open = asked.filter((_, index) => {
      const outcome = outcomes[index];
      return outcome !== undefined && tryAnotherHost(outcome);
    });
  }

  #next(report: DeliveryReport & { kind: "failed" }) {
    return afterConnectFailure(report.failure.stage, report.failure.reply);
  }

  #send(target: Target, tls: "opportunistic" | "never"): Promise<DeliveryReport> {
    const { hostname, port, timeouts } = this.#deps;
    const { from, body, eightBit, smtputf8 } = this.#delivery;
    return deliver(
      {
        host: target.address,
        port,
        session: { protocol: "smtp", hostname, tls },
        serverName: target.host,
        signal: this.#signal,
        ...(timeouts === undefined ? {} : { timeouts }),
      },
      { from, recipients: this.#open, size: body.length, eightBit, smtputf8 },
      body,
    );
  }
}
