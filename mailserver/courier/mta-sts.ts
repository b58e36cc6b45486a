/** Which MTA-STS policy (RFC 8461) a domain has. The record and the file are read by mailauth, by the strict rules. */
import { z } from "zod";
import type { Log } from "../net/log.ts";
import type { StsFacts } from "../policy/tls.ts";
import { fetchFailure, type PolicyFailure } from "../policy/tls-report.ts";
import type { Clock } from "../queue/clock.ts";
import type { Dns } from "./mx.ts";
import type { SecurityDns } from "./security.ts";
import type { StsPolicy, StsStore } from "./sts-store.ts";
import type { TargetRule } from "./target.ts";

export interface StsDeps {
  readonly dns: Pick<Dns, "resolve4" | "resolve6"> & Pick<SecurityDns, "resolveTxt">;
  /** Asked for each address of a policy host: whoever publishes one must not point us at a service of ours. */
  readonly mayReach: TargetRule;
  readonly store: StsStore;
  readonly clock: Pick<Clock, "now" | "elapsed">;
  readonly log: Log;
  /** Reads the file of a domain; over HTTPS unless told. */
  readonly fetch?: (domain: string) => Promise<unknown>;
}

export interface StsPolicies {
  find(domain: string): Promise<StsFound>;
}

export interface StsFound {
  /** The policy that is in force for mail to the domain, if any. */
  readonly rule?: StsRule;
  /** Why there is none although the domain says that it has one. */
  readonly failure?: PolicyFailure;
}

export interface StsRule {
  readonly policy: StsPolicy;
  facts(host: string): StsFacts;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** All of the HTTPS request; RFC 8461 section 3.3 suggests a minute at most, and 64 KiB. */
const FETCH_MS = 30_000;
const FETCH_BYTES = 65_536;
/** RFC 8461 section 3.3: not at each message when it fails. */
const AGAIN_MS = 5 * MINUTE;
/** Domains of which we remember that it failed. */
const MAX_FAILED = 10_000;

type Mailauth = typeof import("mailauth/lib/mta-sts.js");

/** What mailauth makes of the file; it has checked it. */
const Fetched = z.object({
  mode: z.enum(["enforce", "testing", "none"]),
  mx: z.array(z.string()).default([]),
  maxAge: z.number().min(0),
});

/** `cached` also stands for no policy at all when there is none. */
export type StsStep = "cached" | "fetch";

/** RFC 8461 sections 3.3 and 5.1. `id`: that of the record; undefined when there is none, or no answer. */
export function stsStep(cached: StsPolicy | undefined, id: string | undefined, now: number): StsStep {
  if (id === undefined) return "cached";
  if (cached === undefined || now >= cached.expires || cached.id !== id) return "fetch";
  // Fetched anew long before it expires, so that nobody can turn it off by being in the way at that moment.
  const refresh = cached.fetched + Math.min(DAY, (cached.expires - cached.fetched) / 2);
  // Nor for as long as a clock that was ahead then has been set back by.
  return now >= refresh || now < cached.fetched ? "fetch" : "cached";
}

export function createStsPolicies(deps: StsDeps): StsPolicies {
  const { store, clock, log } = deps;
  const resolver = guardedResolver(deps);
  let loaded: Promise<Mailauth> | undefined;
  /** When it is first needed: the queue's thread runs the same bundle and never needs it. */
  const mailauth = (): Promise<Mailauth> => {
    loaded ??= import("mailauth/lib/mta-sts.js");
    return loaded;
  };
  const fetch = deps.fetch ?? (async (domain: string) => fetchFile(await mailauth(), domain, resolver));
  const running = new Map<string, Promise<Look>>();
  const unsaved = new Map<string, StsPolicy>();
  const failed = new Map<string, { readonly again: number; readonly failure: PolicyFailure }>();

  async function idOf(domain: string): Promise<string | undefined> {
    try {
      const { resolvePolicy } = await mailauth();
      return (await resolvePolicy(domain, { resolver, strict: true })) || undefined;
    } catch (error) {
      // No answer, or several records, which count as none: what is known stays in force.
      log.debug("tls.policy.unavailable", { domain, error });
      return undefined;
    }
  }

  async function renew(domain: string, id: string): Promise<Look> {
    try {
      const { mode, mx, maxAge } = Fetched.parse(await fetch(domain));
      const now = clock.now();
      const policy = { id, mode, mx, fetched: now, expires: now + Math.round(maxAge) * 1_000 };
      keep(domain, policy, now);
      failed.delete(domain);
      log.info("tls.policy.fetched", { domain, id, mode, mx, maxAge });
      return { policy };
    } catch (error) {
      const failure = fetchFailure(error);
      if (failed.size >= MAX_FAILED) failed.clear();
      failed.set(domain, { again: clock.elapsed() + AGAIN_MS, failure });
      log.warn("tls.policy.unavailable", { domain, error });
      return { failure };
    }
  }

  /** A policy that can't be written down is in force all the same (RFC 8461 section 5): until the next start. */
  function keep(domain: string, policy: StsPolicy, now: number): void {
    try {
      store.put(domain, policy, now);
      unsaved.delete(domain);
    } catch (error) {
      if (unsaved.size >= MAX_FAILED) unsaved.clear();
      unsaved.set(domain, policy);
      log.error("tls.policy.unsaved", { domain, error });
    }
  }

  async function look(domain: string): Promise<Look> {
    const id = await idOf(domain);
    const now = clock.now();
    const known = unsaved.get(domain) ?? store.get(domain);
    const cached = known !== undefined && now < known.expires ? { policy: known } : undefined;
    if (stsStep(cached?.policy, id, now) === "cached" || id === undefined) return cached ?? {};
    const last = failed.get(domain);
    const found = last !== undefined && clock.elapsed() < last.again ? last : await renew(domain, id);
    return "policy" in found ? found : (cached ?? found);
  }

  return {
    find: async (domain) => {
      const name = domain.toLowerCase();
      const looking = running.get(name) ?? look(name).finally(() => running.delete(name));
      running.set(name, looking);
      const { policy, failure } = await looking;
      if (policy === undefined) return failure === undefined ? {} : { failure };
      const { mode, mx } = policy;
      const { validateMx } = await mailauth();
      // RFC 8461 section 4.1
      const facts = (host: string): StsFacts => ({
        ...{ mode, listed: validateMx(host, { id: policy.id, mode, mx }).valid },
      });
      return { rule: { policy, facts } };
    },
  };
}

interface Look {
  readonly policy?: StsPolicy;
  readonly failure?: PolicyFailure;
}

type Resolver = (name: string, type: string) => Promise<string[] | string[][]>;

/** What mailauth asks DNS; of addresses, only those to which we may connect. */
function guardedResolver({ dns, mayReach }: StsDeps): Resolver {
  return async (name, type) => {
    if (type === "TXT") return (await dns.resolveTxt(name)).records.map((text) => [text]);
    const { records } = type === "A" ? await dns.resolve4(name) : await dns.resolve6(name);
    return records.filter(mayReach);
  };
}

/** mailauth follows no redirect and verifies the certificate against the authorities that everybody trusts. */
async function fetchFile({ fetchPolicy }: Mailauth, domain: string, resolver: Resolver): Promise<unknown> {
  const found = await fetchPolicy(domain, {
    ...{ resolver, strict: true, timeout: FETCH_MS, maxPolicySize: FETCH_BYTES },
  });
  if (found === false) throw new Error(`mta-sts.${domain} has no address that may be asked`);
  return found;
}
