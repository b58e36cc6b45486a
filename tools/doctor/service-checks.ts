/** Judges what the services said. Pure. */
import { isIPv6 } from "node:net";
import { NO_IPV6 } from "../../mailserver/dns/exchange.ts";
import type { Finding } from "../../stacks/dns/findings.ts";
import type { LoginHeard } from "./log-in.ts";
import type { Endpoint, Heard, Protocol } from "./services.ts";
import type { Check } from "./types.ts";

const DAY = 86_400_000;
/** What lives for long is renewed 30 days before its end; a certificate that has less than this left wasn't. */
const RENEWAL_MS = 14 * DAY;
/** What lives for days is renewed when a third of its life is left. */
const RENEWAL_SHARE = 1 / 6;

export interface ServiceFacts {
  readonly endpoint: Endpoint;
  readonly heard: Heard;
}

export interface Circumstances {
  readonly now: Date;
  readonly domain: string;
  /** Senders fetch an MTA-STS policy over HTTPS, and trust public authorities alone. */
  readonly publicTrust: boolean;
  /** The container that has a public authority issue the certificate; undefined: the stack issues it itself. */
  readonly certifier?: string | undefined;
}

/** Everything about one service: at most one finding for each of reach, TLS and relaying. */
export function checkService(facts: ServiceFacts, circumstances: Circumstances): Check[] {
  const { port, host } = facts.endpoint;
  const about = nameOf(facts.endpoint);
  const found = (part: string, ...findings: (Finding | undefined)[]): Check => ({
    area: "Services",
    about: part === "" ? about : `${about} ${part}`,
    findings: findings.filter((finding) => finding !== undefined),
  });
  const finding: Make = (rule, message, remedy, severity = "error") => ({
    ...{ severity, rule, message, remedy },
    record: about,
  });
  const { heard } = facts;
  if (isIPv6(host) && NO_IPV6.has(heard.fault ?? ""))
    return [{ ...found(""), unknown: "this machine has no IPv6 by which to try it" }];
  if (heard.fault !== undefined && heard.greeting === undefined && heard.shown === undefined) {
    const remedy = `Is ${host} this host's, and does its firewall let port ${port} in? Then run \`npm run up\`, which starts what is missing.`;
    return [
      found("", finding("the service answers", `no answer at ${host} port ${port} (${heard.fault})`, remedy)),
    ];
  }
  return [
    found("", greeting(facts, finding)),
    found("TLS", certificate(facts, circumstances, finding)),
    ...(heard.relay === undefined ? [] : [found("refuses to relay", relay(heard.relay, finding))]),
    ...(heard.postmaster === undefined
      ? []
      : [found("knows postmaster", postmaster(heard.postmaster, circumstances.domain, finding))]),
  ];
}

/** Under two addresses a service is two. */
const nameOf = ({ protocol, serverName, port, host }: Endpoint): string =>
  `${protocol} ${serverName}:${port}${isIPv6(host) ? ` at ${host}` : ""}`;

/** A person's login. */
export function checkLogin(endpoint: Endpoint, user: string, { fault, reply = "" }: LoginHeard): Check {
  const about = `${nameOf(endpoint)} lets ${user} in`;
  const finding = (message: string, remedy: string): Finding => ({
    ...{ severity: "error", rule: "people can log in, RFC 4954 and RFC 9051 section 6.2", record: about },
    ...{ message, remedy },
  });
  const log = "See its log: `docker logs`.";
  const problem = (): Finding | undefined => {
    if (fault !== undefined) return finding(`it could not be tried (${fault})`, log);
    if (/^235|^a OK/i.test(reply)) return undefined;
    if (/^535|^a NO \[(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED)\]/i.test(reply))
      return finding(
        "the user name or the password is refused",
        "Is it the password of now? The person may have changed the one that the update told.",
      );
    return finding(`it answers "${clip(reply)}"`, log);
  };
  const found = problem();
  return { area: "Services", about, findings: found ? [found] : [] };
}

type Make = (rule: string, message: string, remedy: string, severity?: Finding["severity"]) => Finding;

const WELCOMES: Readonly<Partial<Record<Protocol, RegExp>>> = {
  smtp: /^220[- ]/,
  submission: /^220[- ]/,
  submissions: /^220[- ]/,
  imap: /^\* OK/i,
  imaps: /^\* OK/i,
  sieve: /^OK/i,
};

function greeting({ endpoint, heard }: ServiceFacts, finding: Make): Finding | undefined {
  const { protocol, serverName } = endpoint;
  const welcome = WELCOMES[protocol];
  if (welcome === undefined || heard.greeting === undefined) return undefined;
  const said = heard.greeting.split("\n")[0] ?? "";
  if (!welcome.test(said))
    return finding("the service answers", `it says "${clip(said)}"`, "See its log: `docker logs`.");
  const name = /^220[- ](\S+)/.exec(said)?.[1]?.toLowerCase();
  if (name === undefined || name === serverName) return undefined;
  return finding(
    "greeting names the host, RFC 5321 section 4.3.1",
    `it greets as ${name}`,
    `Something else answers there, or stands in between: ${serverName} was asked.`,
  );
}

function certificate(facts: ServiceFacts, circumstances: Circumstances, finding: Make): Finding | undefined {
  const { endpoint, heard } = facts;
  const { now, certifier } = circumstances;
  if (heard.offersTls === false)
    return finding(
      "TLS, RFC 3207 and RFC 8314",
      "it offers no STARTTLS",
      "Run `npm run up`; see its log if this stays.",
    );
  const { shown } = heard;
  if (shown === undefined)
    return finding(
      "TLS, RFC 8446",
      `no TLS came about (${heard.fault ?? "unknown"})`,
      "See its log: `docker logs`.",
    );
  const left = shown.notAfter.getTime() - now.getTime();
  const life = shown.notAfter.getTime() - shown.notBefore.getTime();
  const renew =
    certifier === undefined
      ? "Run `npm run up`: it renews the certificate, and the services take it over."
      : `The certifier should have renewed it. ${askIts(certifier)}`;
  if (left < 0)
    return finding(
      "certificate is valid, RFC 5280 section 4.1.2.5",
      `its certificate ended on ${day(shown.notAfter)}`,
      renew,
    );
  if (!shown.fits)
    return finding(
      "certificate names the host, RFC 9525 section 6",
      `its certificate is for ${shown.names.slice(0, 4).join(", ") || "nobody"}, not for ${endpoint.serverName}`,
      renew,
    );
  if (shown.distrust !== undefined)
    return finding(
      "certificate is trusted, RFC 5280 section 6",
      `nobody trusts its certificate (${shown.distrust})`,
      renew,
    );
  if (left < Math.min(RENEWAL_MS, life * RENEWAL_SHARE))
    return finding(
      "certificate is valid, RFC 5280 section 4.1.2.5",
      `its certificate ends in ${duration(left)}`,
      renew,
      "warning",
    );
  return shown.own ? ownAuthority(facts, circumstances, finding) : undefined;
}

const askIts = (certifier: string): string =>
  `Its log says why, and what to do: \`docker logs ${certifier}\`.`;

/** The stack's own authority issued it, which people may have been told to trust, and servers are not. */
function ownAuthority(
  { endpoint }: ServiceFacts,
  { publicTrust, certifier }: Circumstances,
  finding: Make,
): Finding | undefined {
  if (publicTrust && (endpoint.protocol === "smtp" || endpoint.protocol === "https"))
    return finding(
      "MTA-STS needs a certificate that everybody trusts, RFC 8461 section 4.2",
      "the stack's own authority issued its certificate, which other servers don't know",
      certifier === undefined
        ? "Set semail:certificates.kind to acme, or take semail:dns.mtaSts out."
        : `The certifier has no other yet. ${askIts(certifier)}`,
    );
  if (certifier !== undefined)
    return finding(
      "certificate is trusted, RFC 5280 section 6",
      "the stack's own authority issued its certificate, which nobody else trusts",
      `The certifier has no other yet. ${askIts(certifier)}`,
      "warning",
    );
  return undefined;
}

function duration(ms: number): string {
  const [size, unit] = ms < 3 * DAY ? [DAY / 24, "hour"] : [DAY, "day"];
  const count = Math.floor(ms / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

const day = (date: Date): string => date.toISOString().slice(0, 10);

function relay(reply: string, finding: Make): Finding | undefined {
  if (/^5\d\d/.test(reply)) return undefined;
  const rule = "no open relay, RFC 5321 section 7.9";
  if (reply.startsWith("250"))
    return finding(
      rule,
      "it takes a stranger's mail to a foreign domain: spam goes out in your name",
      "Stop it now: `npm run down`. What answers there is not smtp-in, or was changed.",
    );
  return finding(
    rule,
    `it puts a stranger's mail to a foreign domain off: "${clip(reply)}"`,
    "Look again later.",
    "warning",
  );
}

function postmaster(reply: string, domain: string, finding: Make): Finding | undefined {
  if (/^25\d/.test(reply)) return undefined;
  return finding(
    "postmaster is reached, RFC 5321 section 4.5.1",
    `mail to postmaster@${domain} is refused: "${clip(reply)}"`,
    "Have somebody under semail:users with a mailbox, or name who it is in semail:postmaster.",
    "warning",
  );
}

const clip = (text: string): string => {
  const line = text.replaceAll(/\p{Cc}/gu, " ");
  return line.length <= 120 ? line : `${line.slice(0, 120)}…`;
};
