/** Asks DNS who may have sent a message: SPF, DKIM, DMARC and ARC by mailauth, each on its own, within a time limit. */
import { randomBytes } from "node:crypto";
import type { ARCResult, DKIMResult, DMARCResult, DNSResolver, SPFResult } from "mailauth";
import { authorOf } from "../message/author.ts";
import { foldField, type Message } from "../message/header.ts";
import { legible, streamOf } from "../message/legible.ts";
import type { Log } from "../net/log.ts";
import { mayShare, namesOurs, vouchedByOurs } from "../policy/in-our-name.ts";
import type { AuthorFacts, Policy, SenderFacts } from "../policy/sender.ts";
import type { Clock } from "../queue/clock.ts";
import { createQuestions, type Questions } from "./questions.ts";
import { standIn } from "./stand-in.ts";

/** Where a message came from. */
export interface Origin {
  /** For the log. */
  readonly id: string;
  readonly ip: string;
  readonly helo: string;
  /** The reverse-path; empty when it is null. */
  readonly from: string;
}

export interface SenderCheckDeps {
  /** Our name in Authentication-Results (RFC 8601 section 2.2, authserv-id). */
  readonly hostname: string;
  /** In whose name we send mail. */
  readonly domains: readonly string[];
  readonly query: DNSResolver;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Checked {
  readonly facts: SenderFacts;
  /** Somebody who may speak for the reverse-path vouches for the message. */
  readonly proven: boolean;
  /** Its author may be taken for one of ours, and is not proven to be. */
  readonly inOurName: boolean;
  /** Authentication-Results and Received-SPF, with their line ends. */
  readonly fields: string;
}

/** Never rejects. */
export type CheckSender = (message: Message, origin: Origin) => Promise<Checked>;

/** Domains of an unclear From field that are asked for their policy. */
const MAX_AUTHORS = 10;

type Mailauth = Awaited<ReturnType<typeof loadMailauth>>;

/**
 * Loaded when it is first needed: the queue's thread runs the same bundle and never needs it. By its parts: the whole
 * would bring an HTTP client and an XML parser into each worker, for what is not asked of it here.
 */
async function loadMailauth() {
  const [{ spf }, { dkimVerify }, { arc }, { dmarc }] = await Promise.all([
    import("mailauth/lib/spf/index.js"),
    import("mailauth/lib/dkim/verify.js"),
    import("mailauth/lib/arc/index.js"),
    import("mailauth/lib/dmarc/index.js"),
  ]);
  return { spf, dkimVerify, arc, dmarc };
}

/** What one message is checked with. */
interface Check extends SenderCheckDeps {
  readonly message: Message;
  readonly origin: Origin;
  readonly questions: Questions;
  readonly mailauth: Mailauth;
}

/** What was found; `undefined` where a stranger's text brought the check itself to an end. */
interface Findings {
  readonly spf: SPFResult | undefined;
  readonly signatures: readonly DKIMResult[];
  readonly arc: ARCResult | undefined;
}

export function createSenderCheck(deps: SenderCheckDeps): CheckSender {
  return async (message, origin) => {
    const questions = createQuestions(deps);
    try {
      return await checkSender({ ...deps, message, origin, questions, mailauth: await loadMailauth() });
    } finally {
      questions.done();
    }
  };
}

async function checkSender(check: Check): Promise<Checked> {
  const { message, log, origin, hostname } = check;
  const { clear, domains } = authorOf(message.fields);
  const [authors, more] = [domains.slice(0, MAX_AUTHORS), domains.slice(MAX_AUTHORS)];
  // Both are asked at once and have questions of their own: who sends can't use up their time.
  const policies = authors.map((domain) => policyOf(domain, check));
  const asOurs = authors.map((domain) => isAsOurs(domain, check));
  const [spf, { signatures, arc }] = await Promise.all([checkSpf(check), checkSignatures(check)]);
  const findings = { spf, signatures, arc };
  const judged = await Promise.all(
    authors.map(async (domain, index) =>
      judgeAuthor({ domain, policy: await policies[index], asOurs: await asOurs[index] }, findings, check),
    ),
  );
  const failed = signatures.some(({ status }) => status.result === "temperror");
  const facts: SenderFacts = {
    authors: judged.map(({ facts: of }) => of),
    clear,
    dnsFailed:
      failed ||
      spf?.status.result === "temperror" ||
      judged.some(({ facts: { dmarc } }) => dmarc === "temperror"),
  };
  const dkim = signatures.map(
    ({ signingDomain, status }) => `${signingDomain}: ${status.result}${status.testing ? " (testing)" : ""}`,
  );
  log.info("smtp.sender.checked", { message: origin.id, spf: spf?.status.result, dkim, ...facts });
  const dmarc = clear ? judged.map(({ info }) => info) : ["dmarc=permerror (not one author)"];
  const results = [...signatures.map(({ info }) => info), spf?.info, arc?.info, ...dmarc].filter(
    (info) => info !== undefined,
  );
  // RFC 8601 section 5: above other trace fields.
  const fields = [
    `Authentication-Results: ${[hostname, ...(results.length > 0 ? results : ["none"])].join(";\r\n ")}`,
    ...(spf === undefined ? [] : [spf.header]),
  ];
  const inOurName = judged.some(({ unprovenOurs }) => unprovenOurs) || namesOurs(more, check.domains);
  return {
    facts,
    proven: isProven(findings, origin.from),
    inOurName,
    fields: fields.map(foldField).join(""),
  };
}

/**
 * Whether the reverse-path is the sender's own: SPF passes for it, or a signature of its domain or of one above it. A
 * stranger's signature says nothing of it, whatever DMARC makes of the author.
 */
function isProven({ spf, signatures }: Findings, from: string): boolean {
  if (from === "") return false;
  if (spf?.status.result === "pass") return true;
  const domain = from.slice(from.lastIndexOf("@") + 1).toLowerCase();
  return signatures.some(({ status, signingDomain }) => {
    if (!vouches(status, false) || !signingDomain) return false;
    const signer = signingDomain.toLowerCase();
    return domain === signer || domain.endsWith(`.${signer}`);
  });
}

/** A check that does not stand a stranger's text finds nothing; the others go on. */
async function surviving<T>(work: () => Promise<T>, { log, origin }: Check): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    log.error("smtp.policy.error", { message: origin.id, error });
    return undefined;
  }
}

/** RFC 7208, of the HELO name where the reverse-path is null (section 2.4). */
async function checkSpf(check: Check): Promise<SPFResult | undefined> {
  const { mailauth, questions, hostname, origin } = check;
  const { ip, from } = origin;
  // An address in brackets names no domain.
  const helo = origin.helo === "" ? `[${ip}]` : origin.helo;
  const { address: sender, back } = standIn(from, `u${randomBytes(6).toString("hex")}u`);
  const ask = questions.as("spf");
  const resolver: DNSResolver = (name, type) => ask(back(name), type);
  const asked = { ip, helo, sender, mta: hostname, resolver, strict: true };
  const found = await surviving(() => mailauth.spf(asked), check);
  if (found === undefined) return undefined;
  return { ...found, domain: back(found.domain), info: back(found.info), header: back(found.header) };
}

async function checkSignatures(check: Check): Promise<Pick<Findings, "signatures" | "arc">> {
  const { mailauth, questions, message, clock } = check;
  const found = await surviving(
    () =>
      mailauth.dkimVerify(streamOf(legible(message)), {
        resolver: questions.as("dkim"),
        curTime: new Date(clock.now()),
        // RFC 8301 section 3.1: rsa-sha1 proves nothing.
        rejectRsaSha1: true,
      }),
    check,
  );
  if (found === undefined) return { signatures: [], arc: undefined };
  const { arc } = found;
  const chain = arc && { ...arc, chain: arc.chain || [] };
  const sealed =
    chain && (await surviving(() => mailauth.arc(chain, { resolver: questions.as("arc") }), check));
  return { signatures: found.results, arc: sealed };
}

interface Identifiers {
  readonly spfDomains: string[];
  readonly dkimDomains: { domain: string; underSized?: number }[];
}

/** Whether a result says who sent the message; with `maybe`, whether it might, had DNS answered. */
function vouches({ result, testing = false }: DKIMResult["status"], maybe: boolean): boolean {
  // RFC 6376 section 3.6.1: by a key with t=y a message is treated as if it had no signature, whether it fits or not.
  return !testing && (result === "pass" || (maybe && result === "temperror"));
}

/** Who vouches for the message; with `maybe` also those whose word DNS kept from us. */
function identifiers({ spf, signatures }: Findings, maybe: boolean): Identifiers {
  return {
    spfDomains: spf !== undefined && vouches(spf.status, maybe) ? [spf.domain] : [],
    dkimDomains: signatures
      .filter(({ status }) => vouches(status, maybe))
      .map(({ signingDomain = "", status: { underSized } }) => ({
        domain: signingDomain,
        ...(underSized === undefined ? {} : { underSized }),
      })),
  };
}

const NOBODY: Identifiers = { spfDomains: [], dkimDomains: [] };

/** RFC 9989 section 5.3. Undefined: the author has no domain that could have a policy. */
async function evaluate(domain: string, who: Identifiers, check: Check): Promise<DMARCResult | undefined> {
  const asked = { headerFrom: domain, ...who, resolver: check.questions.as("policy") };
  return (await surviving(() => check.mailauth.dmarc(asked), check)) || undefined;
}

/** What a domain asks for as far as that can be known: undefined when it can't. */
async function policyOf(domain: string, check: Check): Promise<Policy | undefined> {
  // Names above it are asked at the same time: a broken or silent name below a protected domain is no shelter
  // (RFC 9989 section 4.10: the walk would go on there).
  const labels = domain.split(".").slice(-7);
  const names = [domain, ...labels.slice(1).map((_, at) => labels.slice(at + 1).join("."))];
  const [own, ...above] = await Promise.all(names.map((name) => evaluate(name, NOBODY, check)));
  if (own !== undefined && own.status.result !== "temperror") return strongest([own.policy]);
  // Half known: of a subdomain whose existence DNS doesn't tell (RFC 9989 section 4.10.1), the stronger one.
  const known = [own, ...above].find((found) => found?.policy !== undefined);
  return known && strongest([known.sp, known.np]);
}

const POLICIES = ["none", "quarantine", "reject"] as const;
const strongest = (named: readonly (string | undefined)[]): Policy =>
  POLICIES.findLast((policy) => named.includes(policy)) ?? "none";

/**
 * Whether what we send on would be taken for this author's own: once its reverse-path or our HELO name is of one of our
 * domains, SPF vouches for every domain that is aligned with that, be it one above ours (RFC 9989 section 4.10.2). Where
 * DNS does not say how far the organization goes, it may be.
 */
async function isAsOurs(domain: string, check: Check): Promise<boolean> {
  const { domains } = check;
  const found = await evaluate(domain, { spfDomains: [...domains], dkimDomains: [] }, check);
  return found?.status.result === "temperror" ? mayShare(domain, domains) : found?.status.result === "pass";
}

function isUnprovenOurs(
  { domain, asOurs = false }: Pick<Asked, "domain" | "asOurs">,
  { who, dmarc }: { readonly who: Identifiers; readonly dmarc: string },
  { domains }: Check,
): boolean {
  const vouched = [...who.spfDomains, ...who.dkimDomains.map(({ domain: signer }) => signer)];
  if (!namesOurs([domain], domains)) return asOurs;
  return dmarc === "fail" || !vouchedByOurs(domain, vouched, domains);
}

interface Asked {
  readonly domain: string;
  readonly policy: Policy | undefined;
  /** Of the organization of one of our domains, or it can't be told. */
  readonly asOurs: boolean | undefined;
}

async function judgeAuthor(
  asked: Asked,
  findings: Findings,
  check: Check,
): Promise<{ facts: AuthorFacts; unprovenOurs: boolean; info: string }> {
  const { domain, policy } = asked;
  const who = identifiers(findings, false);
  const found = await evaluate(domain, who, check);
  const dmarc = found?.status.result ?? "temperror";
  const passes = dmarc === "pass";
  // Only what could have made DMARC pass: somebody else's broken DNS is no shelter for a forger.
  const maybe =
    passes || dmarc === "none" ? undefined : await evaluate(domain, identifiers(findings, true), check);
  return {
    facts: {
      domain,
      dmarc,
      policy,
      partial:
        passes && found?.alignment.spf.result === undefined && (found?.alignment.dkim.underSized ?? 0) > 0,
      unsure: !passes && (dmarc === "temperror" || maybe?.status.result !== dmarc),
    },
    unprovenOurs: !passes && isUnprovenOurs(asked, { who, dmarc }, check),
    info: found?.info ?? "dmarc=temperror",
  };
}
