/** Judges the name servers themselves, before what they say. Pure. */
import type { Finding } from "../../stacks/dns/findings.ts";
import type { Answer, Check, Expectation, ServerState, ZoneState } from "./types.ts";

/** Each zone: that it is delegated, and that each of its servers knows it. */
export function checkServers(
  zones: readonly ZoneState[],
  servers: readonly ServerState[],
  expected: Pick<Expectation, "provider">,
): Check[] {
  return [
    ...zones.map((zone) => checkZone(zone, servers, expected)),
    ...servers.filter(({ kind }) => kind === "resolver").map(checkResolver),
  ];
}

const RULE = "delegation, RFC 1034 section 4.2.2";

function checkZone(
  { zone, fault }: ZoneState,
  servers: readonly ServerState[],
  { provider }: Pick<Expectation, "provider">,
): Check {
  const check = { area: "Name servers", about: zone } as const;
  const finding = (severity: Finding["severity"], message: string, remedy: string): Finding => ({
    ...{ severity, rule: RULE, message, remedy },
    record: `${zone} NS`,
  });
  if (fault?.absent) {
    const where =
      provider === "gandi" ? "Gandi's LiveDNS name servers" : "the name servers of your DNS provider";
    return {
      ...check,
      findings: [finding("error", fault.text, `Register the domain, and have its registrar name ${where}.`)],
    };
  }
  if (fault)
    return { ...check, findings: [], unknown: `its name servers can't be found from here (${fault.text})` };
  const all = servers.filter((server) => server.zone === zone);
  const own = all.filter((server) => !server.fault?.noWay);
  if (own.length === 0 && all.length > 0)
    return {
      ...{ ...check, findings: [] },
      unknown: "its name servers have IPv6 addresses alone, and this machine has no IPv6",
    };
  if (own.length === 0)
    return {
      ...check,
      findings: [
        finding("error", "no name server has an address", "Have the registrar name servers that exist."),
      ],
    };
  const silent = own.filter((server) => server.fault?.silent);
  // A network that lets nothing through to port 53 is no fault of the zone.
  if (silent.length === own.length && provider !== "dev")
    return { ...check, findings: [], unknown: "no name server answers from here" };
  return {
    ...check,
    findings: own.flatMap(({ source, fault: wrong }) =>
      wrong === undefined
        ? []
        : wrong.silent
          ? [
              finding(
                provider === "dev" ? "error" : "warning",
                `${source} doesn't answer (${wrong.text})`,
                silentRemedy(provider),
              ),
            ]
          : [
              finding(
                "error",
                `${source} doesn't know the zone (${wrong.text})`,
                "Have the registrar name only servers that have the zone, or have the provider add it there.",
              ),
            ],
    ),
  };
}

const silentRemedy = (provider: Expectation["provider"]): string =>
  provider === "dev"
    ? "Run `npm run up`: it starts the stack's name server again."
    : "Run this again; if it stays silent, tell whoever runs it, or take it out of the delegation.";

function checkResolver({ source, fault }: ServerState): Check {
  const check = { area: "Name servers", about: source, findings: [] } as const;
  return fault === undefined ? check : { ...check, unknown: `it can't be asked from here (${fault.text})` };
}

/** Resolvers that validate refuse what DNSSEC doesn't vouch for, and so does everybody behind them. */
export function checkSignatures(zone: string, answers: readonly Answer[]): Check {
  const own = answers.filter((answer) => answer.zone === zone);
  const given = own.some(({ kind, values }) => kind === "authority" && values !== undefined);
  const refusing = own.filter(({ kind, fault }) => kind === "resolver" && fault === "SERVFAIL");
  const sources = [...new Set(refusing.map(({ source }) => source))].join(", ");
  const finding: Finding = {
    severity: "error",
    rule: "DNSSEC, RFC 4035 section 5",
    record: `${zone} DS`,
    message: `${sources} refuses what the name servers say (SERVFAIL): the signatures don't fit the zone's DS record`,
    remedy: "Have the registrar's DS record be that of the zone, or remove it; then wait for its TTL.",
  };
  const about = `resolvers believe ${zone}`;
  return { area: "Name servers", about, findings: given && refusing.length > 0 ? [finding] : [] };
}
