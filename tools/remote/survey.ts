/** What a host is like, asked in one go. */
import { z } from "zod";

/** Prints a line `key=value` for each thing asked; runs with Debian's plain sh, as any user, and changes nothing. */
export const SURVEY = `
PATH="$PATH:/usr/sbin:/sbin"
say() { printf '%s=%s\\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1 && echo yes || echo no; }
test -r /etc/os-release && . /etc/os-release
say os "\${PRETTY_NAME:-\${ID:-unknown}}"
case " \${ID:-} \${ID_LIKE:-} " in *" debian "*|*" ubuntu "*) say debian yes;; *) say debian no;; esac
if test "$(id -u)" = 0; then say admin root
elif sudo -n true 2>/dev/null; then say admin sudo
else say admin no; fi
say arch "$(uname -m)"
say dockerd "$(has dockerd)"
say nft "$(has nft)"
test -S /var/run/docker.sock && say socket yes || say socket no
test -w /var/run/docker.sock && say usable yes || say usable no
test -d /run/systemd/system && say systemd yes || say systemd no
say boot "$(systemctl is-enabled docker.service 2>/dev/null)"
say firewall "$(systemctl is-enabled semail-firewall.service 2>/dev/null)"
test -e /etc/semail/firewall.nft && say rules yes || say rules no
say bridges "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)"
grep -qs '"ip6tables": *true' /etc/docker/daemon.json && say ip6tables yes || say ip6tables no
test -e /etc/docker/daemon.json && say configured yes || say configured no
disk=/var/lib/docker; test -d "$disk" || disk=/var/lib; test -d "$disk" || disk=/
set -- $(df -Pk "$disk" | tail -n 1); say disk "$4"
while read -r key value _; do test "$key" = MemTotal: && say memory "$value"; done </proc/meminfo
say time "$(date +%s)"
say synced "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
say ssh "\${SSH_CONNECTION##* }"
while read -r _ local _ state _; do test "$state" = 0A && say listens "$local"; done </proc/net/tcp
if test -r /proc/net/tcp6; then
  while read -r _ local _ state _; do test "$state" = 0A && say listens "$local"; done </proc/net/tcp6
fi
say end yes
`;

/** Where something listens on the host. */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

const yes = z.enum(["yes", "no"]).transform((text) => text === "yes");

const Answers = z.object({
  os: z.string(),
  debian: yes,
  admin: z.enum(["root", "sudo", "no"]),
  /** As `uname -m` has it. */
  arch: z.string(),
  ...{ dockerd: yes, nft: yes, socket: yes, usable: yes, systemd: yes, ip6tables: yes, configured: yes },
  /** What systemd says of the units that start the engine and the firewall; empty without systemd. */
  ...{ boot: z.string(), firewall: z.string() },
  /** Whether there are rules of a firewall of ours. */
  rules: yes,
  /** Whether bridges hand their frames to iptables: 0 or 1; empty where the kernel has nothing that could. */
  bridges: z.enum(["0", "1", ""]),
  /** KiB that are free where Docker keeps its data. */
  disk: z.coerce.number(),
  /** KiB. */
  memory: z.coerce.number(),
  /** Seconds since 1970. */
  time: z.coerce.number(),
  /** Empty where nobody knows. */
  synced: z.enum(["yes", "no", ""]),
  /** The port that this connection came in by. */
  ssh: z.coerce.number(),
  end: z.literal("yes"),
});

/** The host's answers. */
export interface HostFacts extends z.output<typeof Answers> {
  readonly listeners: readonly Listener[];
}

/** Reads what {@link SURVEY} printed; undefined when it isn't whole. */
export function readSurvey(text: string): HostFacts | undefined {
  const pairs = text.split("\n").flatMap((line): [string, string][] => {
    const [, key = "", value = ""] = /^([a-z0-9]+)=(.*)$/.exec(line) ?? [];
    return key === "" ? [] : [[key, value]];
  });
  const answers = Answers.safeParse(Object.fromEntries(pairs));
  if (!answers.success) return undefined;
  const listeners = pairs.flatMap(([key, value]) => (key === "listens" ? [listenerOf(value)] : []));
  return { ...answers.data, listeners };
}

/** `0100007F:1F90`, as the kernel writes it: words of the address in the byte order of the machine. */
function listenerOf(text: string): Listener {
  const [address = "", port = ""] = text.split(":");
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  return { address: bytes.length === 4 ? quad(bytes) : sixteen(bytes), port: Number.parseInt(port, 16) };
}

const quad = (bytes: readonly string[]): string => bytes.map((byte) => Number.parseInt(byte, 16)).join(".");

/** Addresses other than `::` and `::1` are only told apart. */
function sixteen(bytes: readonly string[]): string {
  const hex = bytes.join("").toLowerCase();
  if (/^0{32}$/.test(hex)) return "::";
  if (/^0{31}1$/.test(hex)) return "::1";
  if (hex.startsWith("00000000000000000000ffff")) return quad(bytes.slice(12));
  return (hex.match(/.{4}/g) ?? []).join(":");
}
