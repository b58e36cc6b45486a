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
  /**
   * `right`: signed; `wrong`: signed, but the resolver trusts another key, so that all of it is bogus; `below`: signed, and
   * whether it is trusted is up to the zone above.
   */
  readonly signed?: "right" | "wrong" | "below";
}

export interface SignedDns {
  /** `address:port` of the resolver. */
  readonly resolver: string;
  /** Address of the name server. */
  readonly authority: string;
  /** What the zone above has to say of a zone's key: the data of a DS record. */
  ds(zone: string): Promise<string>;
  /** Changes a zone; each is `set` or `unset`, an owner relative to the zone, and the record's type and data. */
  change(zone: string, changes: readonly Change[]): Promise<void>;
}

export type Change = readonly ["set" | "unset", owner: string, type: string, data: string];

export interface SignedDnsOptions {
  /** Names whose server does not answer. */
  readonly lost?: readonly string[];
  /** The resolver remembers nothing, so that a change is seen at once. */
  readonly forgetful?: boolean;
}

const ANOTHER_KEY = `1 13 2 ${"ab".repeat(32)}`;

const FORGETFUL = ["  cache-max-ttl: 0", "  cache-max-negative-ttl: 0", "  val-bogus-ttl: 0"];

export async function startSignedDns(
  lab: Lab,
  zones: readonly ZonePlan[],
  { lost = [], forgetful = false }: SignedDnsOptions = {},
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
    ...(forgetful ? FORGETFUL : []),
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
  return {
    resolver: `${await resolver.ip()}:53`,
    authority: address,
    ds: async (zone) => (await dsOf(knot, zone)).split(" DS ")[1] ?? "",
    change: async (zone, changes) => {
      await knotc(knot, "zone-begin", zone);
      for (const [verb, owner, type, data] of changes) {
        const ttl = verb === "set" ? ["60"] : [];
        const words = data === "" ? [] : data.split(" ");
        await knotc(knot, `zone-${verb}`, zone, `${owner}.${zone}.`, ...ttl, type, ...words);
      }
      await knotc(knot, "zone-commit", zone);
      if (!changes.some(([, , type]) => type === "DS")) return;
      // That a zone's keys are bogus is remembered for a minute, whatever the settings say.
      await resolver.stop();
      await resolver.start();
      await resolver.waitHealthy();
    },
  };
}

async function knotc(knot: Handle, ...command: string[]): Promise<void> {
  const { stdout, stderr, exitCode } = await knot.exec(["knotc", "-c", "/settings/knot.conf", ...command]);
  if (exitCode !== 0) throw new Error(`knotc ${command.join(" ")}: ${stdout}${stderr}`);
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
  if (signed === undefined || signed === "below") return [];
  if (signed === "wrong") return [`${name}. DS ${ANOTHER_KEY}`];
  return [await dsOf(knot, name)];
}

async function dsOf(knot: Handle, zone: string): Promise<string> {
  const { stdout, stderr } = await knot.exec(["keymgr", "-c", "/settings/knot.conf", zone, "ds"]);
  const line = stdout.split("\n").find((text) => / DS \d+ \d+ 2 /.test(text));
  if (line === undefined) throw new Error(`keymgr gave no DS record of ${zone}: ${stdout}${stderr}`);
  return line.trim();
}
