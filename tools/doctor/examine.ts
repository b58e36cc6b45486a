/** Looks at everything that the world sees of a stack, and has it judged. Changes nothing, sends nothing. */
import { getServers } from "node:dns";
import { parseServer } from "../../mailserver/dns/resolver.ts";
import { checkReports, checkSpfCost, consentName, reportsAbroad } from "../../stacks/dns/checks.ts";
import type { Finding } from "../../stacks/dns/findings.ts";
import { isSpf, spfCost } from "../../stacks/dns/spf.ts";
import { askRecord, askThrough, createQuery, findNameServers, probe, reverse, type Source } from "./ask.ts";
import { checkDisks } from "./disk-checks.ts";
import { examineServices, reachedAt } from "./examine-services.ts";
import { fetchPolicy } from "./fetch-policy.ts";
import { checkKept } from "./kept-checks.ts";
import type { Login } from "./log-in.ts";
import { checkLeft, checkRecord, checkStray } from "./record-checks.ts";
import { checkBind, checkPolicy, checkPtr } from "./sending-checks.ts";
import { checkServers, checkSignatures } from "./server-checks.ts";
import type { StackFacts } from "./stack-facts.ts";
import { type Answer, type Check, type Expectation, fullName, type Wanted } from "./types.ts";

export interface ExamineOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds after which whatever wasn't heard of is silent. */
  readonly budgetMs: number;
  /** Addresses of the machine's resolvers, as node:dns tells them. */
  readonly machineResolvers?: readonly string[];
  /** Somebody whose logging in is tried. */
  readonly login?: Login | undefined;
}

type Query = ReturnType<typeof createQuery>;

/** Every check of the stack. */
export async function examine(stack: StackFacts, options: ExamineOptions): Promise<Check[]> {
  const query = createQuery(options.now, options.now() + options.budgetMs);
  const [dns, services, policies] = await Promise.all([
    examineDns(stack, options.machineResolvers ?? getServers(), query),
    examineServices(stack, options),
    examinePolicies(stack, options),
  ]);
  const sending = [...checkBind(stack.bind, stack.address), ...policies];
  return [...dns, ...services, ...sending, ...checkDisks(stack), ...checkKept(stack.kept, options.now())];
}

/** What the checks of records go by. */
function expectationOf({ dnsProvider, domains, hostnames, signing }: StackFacts): Expectation {
  return { provider: dnsProvider, domains, mx: hostnames.mx, signing };
}

/** What name servers and resolvers say. */
export async function examineDns(
  stack: StackFacts,
  machine: readonly string[],
  query: Query,
): Promise<Check[]> {
  const expected = expectationOf(stack);
  const ready = await awake(resolversOf(stack, machine), stack.domain, query);
  const found = await Promise.all(
    stack.domains.map((zone) =>
      stack.nameServer ? devServer(zone, stack.nameServer) : findNameServers(zone, ready.sources, query),
    ),
  );
  const authorities = await awake(
    found.flatMap(({ sources }) => sources),
    stack.domain,
    query,
  );
  const sources = [...authorities.sources, ...ready.sources];
  // What isn't delegated has no records, and everything would be missing.
  const absent = new Set(found.flatMap(({ state }) => (state.fault?.absent ? [state.zone] : [])));
  const records = await askAll(stack, (zone) => (absent.has(zone) ? [] : sources), query);
  const [resolver] = ready.sources;
  const judged = Map.groupBy(
    await Promise.all(
      records.map(async (asked) => ({
        zone: asked.wanted.zone,
        check: await judge(asked, expected, resolver, query),
      })),
    ),
    ({ zone }) => zone,
  );
  const stray = await strays(stack, sources, query);
  const left = await remaining(stack, sources, query);
  return [
    ...checkServers(
      found.map(({ state }) => state),
      [...authorities.states, ...ready.states],
      expected,
    ),
    ...stack.domains.map((zone) =>
      checkSignatures(
        zone,
        records.flatMap(({ answers }) => answers),
      ),
    ),
    ...stack.domains.flatMap((zone) =>
      together(zone, [
        ...(judged.get(zone) ?? []).map(({ check }) => check),
        ...(zone === stack.domain ? stray : []),
        ...left.filter((each) => each.zone === zone).map(({ check }) => check),
      ]),
    ),
    ...(await ptrOf(stack, resolver, query)),
  ];
}

function resolversOf({ resolver, dnsProvider }: StackFacts, machine: readonly string[]): Source[] {
  return [
    ...(resolver === undefined
      ? []
      : [
          {
            ...{ label: "the stack's resolver", kind: "resolver" as const },
            server: { host: resolver, port: 53 },
          },
        ]),
    // The world's knows nothing of a stack for development.
    ...(dnsProvider === "dev" ? [] : machine.slice(0, 1)).map((text) => ({
      ...{ label: `the machine's resolver (${text})`, kind: "resolver" as const, server: parseServer(text) },
    })),
  ];
}

async function ptrOf(stack: StackFacts, resolver: Source | undefined, query: Query): Promise<Check[]> {
  const { address, address6, dnsProvider, hostnames } = stack;
  if (dnsProvider === "dev") return [];
  const addresses = [address, address6].filter((each) => each !== undefined);
  return Promise.all(
    addresses.map(async (each) =>
      checkPtr({ address: each, names: resolver && (await reverse(each, resolver, query)) }, hostnames.smtp),
    ),
  );
}

const devServer = (zone: string, host: string): Awaited<ReturnType<typeof findNameServers>> => ({
  state: { zone },
  sources: [
    {
      label: `the stack's name server (${host})`,
      kind: "authority",
      zone,
      server: { host, port: 53 },
    },
  ],
});

/** Those that answer at all; who is silent is asked nothing more. */
async function awake(sources: readonly Source[], domain: string, query: Query) {
  const states = await Promise.all(sources.map((source) => probe(source, domain, query)));
  return { states, sources: sources.filter((_, at) => states[at]?.fault === undefined) };
}

interface Asked {
  readonly wanted: Wanted;
  readonly answers: readonly Answer[];
}

const concerns = ({ zone }: Source, wanted: Pick<Wanted, "zone">): boolean =>
  zone === undefined || zone === wanted.zone;

async function askAll(
  stack: StackFacts,
  sourcesOf: (zone: string) => readonly Source[],
  query: Query,
): Promise<Asked[]> {
  return Promise.all(
    stack.records.map(async (wanted) => ({
      wanted,
      answers: await Promise.all(
        sourcesOf(wanted.zone)
          .filter((source) => concerns(source, wanted))
          .map((source) => askRecord(source, wanted, query)),
      ),
    })),
  );
}

/** Records of which nothing can be known are told of in one line. */
export function together(zone: string, checks: readonly Check[]): Check[] {
  const unknown = checks.filter((check) => check.unknown !== undefined);
  if (unknown.length < 2) return [...checks];
  const about = `${unknown.length} records of ${zone}`;
  return [
    ...checks.filter((check) => check.unknown === undefined),
    { area: "Records", about, findings: [], unknown: unknown[0]?.unknown },
  ];
}

/** The pure checks, and where they find nothing those that have more to ask. */
async function judge(
  { wanted, answers }: Asked,
  expected: Expectation,
  resolver: Source | undefined,
  query: Query,
): Promise<Check> {
  const check = checkRecord(wanted, answers, expected);
  const there = answers.find(({ kind }) => kind === "authority")?.values;
  // One that refuses the record itself would refuse the rest, too.
  const answered = answers.some(({ kind, values }) => kind === "resolver" && values !== undefined);
  const done = check.findings.length > 0 || wanted.type !== "TXT" || there === undefined;
  if (done || resolver === undefined || !answered) return check;
  return { ...check, findings: await askFurther(wanted, there, expected, askThrough(resolver, query)) };
}

/** SPF to its end, and whether those abroad take reports. */
async function askFurther(
  wanted: Wanted,
  texts: readonly string[],
  { domains }: Expectation,
  ask: ReturnType<typeof askThrough>,
): Promise<Finding[]> {
  const record = { ...wanted, type: "TXT" as const, values: texts };
  const spf = texts.find(isSpf);
  if (spf !== undefined) return checkSpfCost(record, await spfCost(spf, fullName(wanted), ask));
  const consents = new Set<string>();
  for (const domain of reportsAbroad(record, domains)) {
    const found = await ask(consentName(wanted.zone, domain), "TXT");
    if (found === undefined) return checkReports(record, domains, undefined);
    if (found.some((text) => /^v=DMARC1\b/.test(text))) consents.add(domain);
  }
  return checkReports(record, domains, consents);
}

/** MX records of domains that are given up. */
function remaining({ leaving, hostnames }: StackFacts, sources: readonly Source[], query: Query) {
  return Promise.all(
    leaving.map(async (zone) => {
      const own = sources.filter((source) => source.zone === zone);
      const wanted = { zone, name: "@", type: "MX" };
      const answers = await Promise.all(own.map((source) => askRecord(source, wanted, query)));
      return { zone, check: checkLeft(zone, hostnames.mx, answers) };
    }),
  );
}

/** Addresses of hosts that shall have none of that kind. */
async function strays(stack: StackFacts, sources: readonly Source[], query: Query): Promise<Check[]> {
  if (stack.address6 !== undefined) return [];
  const { domain, hostnames } = stack;
  return Promise.all(
    Object.values(hostnames).map(async (host) => {
      const wanted = { zone: domain, name: host.slice(0, -(domain.length + 1)), type: "AAAA" };
      const own = sources.filter((source) => source.zone === domain);
      return checkStray(host, await Promise.all(own.map((source) => askRecord(source, wanted, query))));
    }),
  );
}

async function examinePolicies(stack: StackFacts, { budgetMs: timeoutMs }: ExamineOptions): Promise<Check[]> {
  const { mtaStsPolicies, certificates, dnsProvider, portal } = stack;
  // Senders know port 443 alone (RFC 8461 section 3.3); on a stack for development it is the portal's.
  const port = dnsProvider === "dev" ? portal?.port : 443;
  if (port === undefined) return [];
  const host = reachedAt(stack);
  // Senders don't know the stack's own authority.
  const ca = [...certificates.roots, ...(certificates.kind === "own" ? [stack.ca] : [])];
  const found = await Promise.all(
    Object.entries(mtaStsPolicies).map(([zone, wanted]) =>
      fetchPolicy({ zone, host, port, ca, wanted, timeoutMs }),
    ),
  );
  return found.map(checkPolicy);
}
