/** Connects to every service of a stack, under each of its addresses, and has judged what it says. */
import { type Login, logIn } from "./log-in.ts";
import { checkLogin, checkService } from "./service-checks.ts";
import { type Endpoint, listen, type Protocol } from "./services.ts";
import type { StackFacts } from "./stack-facts.ts";
import type { Check } from "./types.ts";

/** Nobody has mail there (RFC 2606 section 3). */
const FOREIGN = "example.net";

/** Where a person on this machine, or anybody, finds the services. */
export function reachedAt({ bind, address }: StackFacts): string {
  if (!bind.startsWith("127.") && address !== undefined) return address;
  return bind === "0.0.0.0" ? "127.0.0.1" : bind;
}

/** Under IPv6 nothing is reached where the services are private to the machine. */
const reachedAt6 = ({ bind, address6 }: StackFacts): string | undefined =>
  bind.startsWith("127.") ? undefined : address6;

function endpointsOf(stack: StackFacts, host: string, timeoutMs: number): Endpoint[] {
  const { hostnames, ports, portal, ca, certificates } = stack;
  const at = (protocol: Protocol, port: number, serverName: string): Endpoint => ({
    ...{ protocol, port, serverName, ca, timeoutMs, host, roots: certificates.roots },
  });
  return [
    at("smtp", ports.smtp, hostnames.mx),
    at("submission", ports.submission, hostnames.smtp),
    at("submissions", ports.submissions, hostnames.smtp),
    at("imap", ports.imap, hostnames.imap),
    at("imaps", ports.imaps, hostnames.imap),
    at("sieve", ports.sieve, hostnames.imap),
    ...(portal === undefined ? [] : [at("https", portal.port, stack.domain)]),
  ];
}

export interface ServiceOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly budgetMs: number;
  /** Somebody whose logging in is tried. */
  readonly login?: Login | undefined;
}

/** What each service says, to a stranger and to who logs in. */
export async function examineServices(stack: StackFacts, options: ServiceOptions): Promise<Check[]> {
  const host = reachedAt(stack);
  const host6 = reachedAt6(stack);
  const [at4, at6, logins] = await Promise.all([
    examineAt(host, stack, options),
    host6 === undefined ? [] : examineAt(host6, stack, options),
    options.login === undefined ? [] : examineLogin(host, stack, { ...options, login: options.login }),
  ]);
  return [...at4, ...withoutIpv6(host6, at6), ...logins];
}

async function examineAt(
  host: string,
  stack: StackFacts,
  { now, budgetMs }: ServiceOptions,
): Promise<Check[]> {
  const publicTrust = Object.keys(stack.mtaStsPolicies).length > 0 && stack.dnsProvider !== "dev";
  const { domain, prefix, certificates } = stack;
  const certifier = certificates.kind === "acme" ? `${prefix}-certifier` : undefined;
  const checks = await Promise.all(
    endpointsOf(stack, host, budgetMs).map(async (endpoint) => {
      const heard = await listen(endpoint, { foreign: FOREIGN, domain });
      return checkService({ endpoint, heard }, { now: new Date(now()), domain, publicTrust, certifier });
    }),
  );
  return checks.flat();
}

/** A machine without IPv6 says so once. */
export function withoutIpv6(host: string | undefined, checks: readonly Check[]): Check[] {
  const unknown = checks.find((check) => check.unknown !== undefined)?.unknown;
  if (unknown === undefined || !checks.every((check) => check.unknown === unknown)) return [...checks];
  return [{ area: "Services", about: `at ${host}`, findings: [], unknown }];
}

/** Where people log in by TLS from the start. */
async function examineLogin(
  host: string,
  stack: StackFacts,
  { login, budgetMs }: ServiceOptions & { login: Login },
): Promise<Check[]> {
  const endpoints = endpointsOf(stack, host, budgetMs).filter(
    ({ protocol }) => protocol === "submissions" || protocol === "imaps",
  );
  return Promise.all(
    endpoints.map(async (endpoint) => checkLogin(endpoint, login.user, await logIn(endpoint, login))),
  );
}
