/** DNS with DNSSEC: zones that Knot serves and signs, and the stack's resolver with trust anchors for them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Handle, Lab } from "./docker.ts";

const IMAGES = join(import.meta.dirname, "../../mailserver/images");
const KNOT = join(import.meta.dirname, "../fixtures/images/knot");

export interface ZonePlan {
  readonly name: string;
  /** Lines of a zone file, names relative to the zone. */
  readonly records: readonly string[];
  /** `right`: signed; `wrong`: signed, but the resolver trusts another key, so that all of it is bogus. */
  readonly signed?: "right" | "wrong";
}

export interface SignedDns {
  /** `address:port` of the resolver. */
  readonly resolver: string;
  /** Address of the name server. */
  readonly authority: string;
}

const ANOTHER_KEY = `1 13 2 ${"ab".repeat(32)}`;

/** `lost`: names whose server does not answer. */
export async function startSignedDns(
  lab: Lab,
  zones: readonly ZonePlan[],
  lost: readonly string[],
): Promise<SignedDns> {
  const network = await lab.network();
  const signed = zones.filter((zone) => zone.signed !== undefined).map(({ name }) => name);
  const knot = await lab.run({
    image: await lab.ensureImage("knot", KNOT),
    networks: { [network]: [] },
    env: { KNOT_SIGNED: signed.join(" ") },
    settings: { "knot.conf": knotConf(zones), ...Object.fromEntries(zones.map(zoneFile)) },
    health: true,
  });
  await knot.waitHealthy();
  const address = await knot.ip();
  const anchors = await Promise.all(zones.map((zone) => anchorOf(knot, zone)));
  const stubs = [...zones.map(({ name }) => [name, address]), ...lost.map((name) => [name, "192.0.2.1"])];
  const conf = [
    await readFile(join(IMAGES, "resolver/unbound.conf"), "utf8"),
    "server:",
    "  access-control: 0.0.0.0/0 allow",
    '  local-zone: "test." transparent',
    '  domain-insecure: "test."',
    ...anchors.flat().map((anchor) => `  trust-anchor: "${anchor}"`),
    ...stubs.flatMap(([name, server]) => ["stub-zone:", `  name: "${name}."`, `  stub-addr: ${server}`]),
    "",
  ].join("\n");
  const resolver = await lab.run({
    image: await lab.ensureImage("resolver", join(IMAGES, "resolver")),
    user: 5003,
    hardened: true,
    networks: { [network]: [] },
    tmpfs: { "/run": "rw,noexec,nosuid,nodev,size=2m,uid=5003,gid=5003,mode=0750" },
    settings: { "unbound.conf": conf },
    entrypoint: ["sh", "-c", "cp /usr/share/dns/root.key /run && exec unbound -d -c /settings/unbound.conf"],
    health: true,
  });
  await resolver.waitHealthy();
  return { resolver: `${await resolver.ip()}:53`, authority: address };
}

function zoneFile({ name, records }: ZonePlan): [string, string] {
  const text = [
    "$TTL 60",
    "@ SOA ns1 hostmaster 1 10800 3600 604800 60",
    "@ NS ns1",
    "ns1 A 192.0.2.53",
    ...records,
  ];
  return [`${name}.zone`, `${text.join("\n")}\n`];
}

function knotConf(zones: readonly ZonePlan[]): string {
  return [
    "server:",
    "    listen: 0.0.0.0@53",
    "policy:",
    "  - id: csk",
    "    algorithm: ecdsap256sha256",
    "    single-type-signing: on",
    "template:",
    "  - id: default",
    "    storage: /var/lib/knot",
    "    file: /var/lib/knot/%s.zone",
    "zone:",
    ...zones.flatMap(({ name, signed }) => [
      `  - domain: ${name}`,
      ...(signed === undefined ? [] : ["    dnssec-signing: on", "    dnssec-policy: csk"]),
    ]),
    "",
  ].join("\n");
}

async function anchorOf(knot: Handle, { name, signed }: ZonePlan): Promise<string[]> {
  if (signed === undefined) return [];
  if (signed === "wrong") return [`${name}. DS ${ANOTHER_KEY}`];
  const { stdout, stderr } = await knot.exec(["keymgr", "-c", "/settings/knot.conf", name, "ds"]);
  const line = stdout.split("\n").find((text) => / DS \d+ \d+ 2 /.test(text));
  if (line === undefined) throw new Error(`keymgr gave no DS record of ${name}: ${stdout}${stderr}`);
  return [line.trim()];
}
