/** Load by `smtp-source` of Debian's postfix, and a Postfix of which every setting that differs is said. */
import { fileURLToPath } from "node:url";
import { boxImage } from "../../test/integration/images/images.ts";
import type { Handle, Lab } from "../../test/support/docker.ts";
import { FRONT } from "../../test/support/front.ts";
import type { Box } from "../../test/support/mail-site.ts";
import { freePorts } from "../../test/support/ports.ts";
import { listens } from "./receivers.ts";

const FOREIGN = fileURLToPath(new URL("../../test/fixtures/images/foreign", import.meta.url));
/** The machine's own network: nothing between a program in the container and one on the machine. */
const HOST_NETWORK = { host: [] };
const IDLE = ["/bin/bash", "-c", "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"];

/** A container in which smtp-source and smtp-sink can be run. */
export async function openTools(lab: Lab): Promise<Handle> {
  const image = await lab.ensureImage("foreign", FOREIGN);
  return lab.run({ image, entrypoint: IDLE, networks: HOST_NETWORK });
}

export interface Load {
  readonly port: number;
  /** One process for each, with its share of sessions and messages. */
  readonly to: readonly string[];
  readonly messages: number;
  readonly sessions: number;
  readonly bytes: number;
  /** All messages of a session over one connection. */
  readonly keep: boolean;
}

/** When the first was sent and the last answered, in seconds since 1970. */
export interface Poured {
  readonly began: number;
  readonly ended: number;
}

/** Sends the load; settles when all of it was answered, and rejects when anything was refused. */
export async function pour(
  tools: Handle,
  { port, to, messages, sessions, bytes, keep }: Load,
): Promise<Poured> {
  const share = (all: number): number => Math.max(1, Math.round(all / to.length));
  const command = (address: string): string =>
    `smtp-source ${keep ? "-d " : ""}-s ${share(sessions)} -m ${share(messages)} -l ${bytes} ` +
    `-f sender@elsewhere.test -t ${address} inet:127.0.0.1:${port}`;
  // Timed in the container: the engine takes its time to start a program there, which is nobody's work.
  const script = [
    "began=$EPOCHREALTIME",
    ...to.map((address) => `${command(address)} &`),
    "for job in $(jobs -p); do wait $job || exit 1; done",
    "echo $began $EPOCHREALTIME",
  ].join("\n");
  const { exitCode, stderr, stdout } = await tools.exec(["/bin/bash", "-c", script]);
  if (exitCode !== 0) throw new Error(`smtp-source: ${stderr}${stdout}`);
  const [began = Number.NaN, ended = Number.NaN] = stdout.trim().split(" ").map(Number);
  return { began, ended };
}

/** What Postfix is told beyond its defaults, to be at its best here. */
export const POSTFIX_TUNING = {
  // More at once into one Maildir run into its lock.
  lmtp_destination_concurrency_limit: "2",
  lmtp_destination_recipient_limit: "1",
  lmtp_connection_cache_on_demand: "no",
  lmtp_connection_cache_destinations: "static:all",
  default_process_limit: "100",
  smtpd_client_connection_rate_limit: "0",
  smtpd_client_connection_count_limit: "0",
  smtpd_peername_lookup: "no",
  smtpd_tls_security_level: "none",
  in_flow_delay: "0",
} as const;

/**
 * A loopback port for each box that leads to its LMTP as to a front service: stunnel keeps a TLS connection for as long
 * as its client keeps the session. Postfix itself would shake hands anew for every delivery, since its connection cache
 * holds no TLS session, and its tlsproxy, which does, has no client certificate.
 */
async function openStunnel(lab: Lab, boxes: readonly Box[]): Promise<number[]> {
  const ports = await freePorts(boxes.length);
  const services = boxes.map(
    ({ door }, index) =>
      `[box${index}]\naccept = 127.0.0.1:${ports[index]}\nconnect = ${door.host}:24\ncert = /tmp/door.pem`,
  );
  const common =
    "foreground = yes\nsyslog = no\npid =\nclient = yes\nsocket = r:TCP_NODELAY=1\nsocket = l:TCP_NODELAY=1";
  const script = [
    `printf %s '${FRONT.key}${FRONT.certificate}' >/tmp/door.pem`,
    `printf '%s\\n' '${[common, ...services].join("\n")}' >/tmp/stunnel.conf`,
    "exec stunnel4 /tmp/stunnel.conf",
  ].join("\n");
  await lab.run({
    image: await boxImage(lab),
    entrypoint: ["/bin/sh", "-c", script],
    networks: HOST_NETWORK,
  });
  await Promise.all(ports.map(listens));
  return ports;
}

/** A Postfix that hands mail for the people to their boxes over LMTP; its queue is on a volume, on the same file system as ours. */
export async function openPostfix(lab: Lab, boxes: readonly Box[], port: number): Promise<Handle> {
  const image = await lab.ensureImage("foreign", FOREIGN);
  const doors = await openStunnel(lab, boxes);
  const table = (value: (box: Box, index: number) => string): string =>
    `inline:{${boxes.map((box, index) => `{${box.address}=${value(box, index)}}`).join(",")}}`;
  const settings: Record<string, string> = {
    ...POSTFIX_TUNING,
    inet_interfaces: "127.0.0.1",
    myhostname: "peer.semail.test",
    mydestination: "",
    mynetworks: "",
    virtual_mailbox_domains: "semail.test",
    virtual_mailbox_maps: table(() => "yes"),
    transport_maps: table((_, index) => `lmtp:[127.0.0.1]:${doors[index]}`),
    smtpd_relay_restrictions: "permit_mynetworks,reject_unauth_destination",
  };
  const edits = Object.entries(settings).map(([name, value]) => `postconf -e '${name}=${value}'`);
  const script = [
    "set -e",
    ...edits,
    "postconf -F '*/*/chroot=n'",
    `postconf -M '${port}/inet=${port} inet n - n - - smtpd'`,
    "postconf -MX smtp/inet",
    "exec postfix start-fg",
  ].join("\n");
  const volumes = { "/var/spool/postfix": await lab.volume() };
  return lab.run({ image, entrypoint: ["/bin/bash", "-c", script], networks: HOST_NETWORK, volumes });
}

/** Empties Postfix's queue, so that it does nothing while others are measured. */
export async function emptyPostfix(postfix: Handle): Promise<void> {
  const busy =
    "find /var/spool/postfix/active /var/spool/postfix/incoming /var/spool/postfix/deferred -type f";
  await postfix.exec([
    "/bin/bash",
    "-c",
    `while [[ $(${busy} | head -1) ]]; do postsuper -d ALL; sleep 0.2; done`,
  ]);
}

/** Whether Postfix keeps what it takes instead of delivering it. */
export async function holdPostfix(postfix: Handle, hold: boolean): Promise<void> {
  const value = hold ? "lmtp" : "";
  const { exitCode, stderr } = await postfix.exec([
    "/bin/bash",
    "-c",
    `postconf -e defer_transports=${value} && postsuper -d ALL && postfix reload`,
  ]);
  if (exitCode !== 0) throw new Error(`postfix: ${stderr}`);
}
