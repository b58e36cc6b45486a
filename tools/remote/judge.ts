/** Whether a host can carry the stack, and what it lacks. Pure. */
import type { Trouble } from "./ssh-faults.ts";
import type { HostFacts, Listener } from "./survey.ts";

/** A port that the stack publishes. */
export interface NeededPort {
  /** Where the stack's config has it, e.g. `ports.smtp`. */
  readonly path: string;
  readonly port: number;
  readonly binds: readonly string[];
}

/** What the stack asks of the host. */
export interface Needs {
  readonly user: string;
  readonly install: boolean;
  readonly firewall: boolean;
  readonly ports: readonly NeededPort[];
  /** Seconds since 1970, here. */
  readonly now: number;
  /** The architecture of this machine, as `uname -m` has it: the images' programs are of its kind. */
  readonly arch: string;
}

/** A port that a container has published, by whose stack. */
export interface Publication {
  readonly port: number;
  readonly container: string;
  readonly address: string;
  /** It is of this very stack. */
  readonly own: boolean;
}

export interface Verdict {
  /** What keeps the stack off the host. */
  readonly troubles: readonly Trouble[];
  /** Debian packages to install, where that is allowed. */
  readonly packages: readonly string[];
  /** Whether the engine has to be started. */
  readonly start: boolean;
}

const MIN_DISK_GB = 3;
const MIN_MEMORY_MB = 900;
const MAX_SKEW_SECONDS = 60;

/** What can be told before there is an engine. */
export function judgeMachine(facts: HostFacts, needs: Needs): Verdict {
  const engine = judgeEngine(facts, needs);
  const packages = [
    ...(facts.dockerd || facts.socket ? [] : ["docker.io", "iptables", "apparmor"]),
    ...(needs.firewall && !facts.nft ? ["nftables"] : []),
  ];
  const may = needs.install && facts.admin !== "no";
  const missing = packages.length > 0 && !may ? [missingPackages(packages, facts, needs)] : [];
  const system = [...(facts.debian ? [] : [otherSystem(facts)]), ...otherProcessor(facts, needs)];
  return {
    troubles: [...system, ...missing, ...engine, ...firewall(facts, needs), ...resources(facts, needs.now)],
    packages: may && facts.debian ? packages : [],
    start: may && !facts.socket,
  };
}

const otherSystem = ({ os }: HostFacts): Trouble => ({
  cause: `It runs ${os}.`,
  remedy: "Take a machine with Debian 12 or newer, or Ubuntu 22.04 or newer.",
});

function otherProcessor({ arch }: HostFacts, needs: Needs): Trouble[] {
  if (arch === needs.arch) return [];
  return [
    {
      cause: `Its processor is ${arch}, this machine's is ${needs.arch}: programs from here don't run there.`,
      remedy: `Take a host with ${needs.arch}, or run this on a machine with ${arch}.`,
    },
  ];
}

function missingPackages(packages: readonly string[], { admin }: HostFacts, { install }: Needs): Trouble {
  const what = packages[0] === "docker.io" ? "There is no Docker engine." : "There is no nftables.";
  const command = `Install it there: \`apt-get install ${packages.join(" ")}\``;
  if (!install) return { cause: what, remedy: `${command}; or set semail:host.install to true.` };
  return {
    cause: `${what} It is not installed for you: this user is ${admin === "no" ? "neither root nor allowed to use sudo without a password" : admin}.`,
    remedy: `${command}; or log in as root.`,
  };
}

function judgeEngine(facts: HostFacts, { user, install }: Needs): Trouble[] {
  if (facts.socket && !facts.usable)
    return [
      {
        cause: `The user ${user} may not use the Docker engine.`,
        remedy: `\`usermod -aG docker ${user}\` there as root; or log in as another user.`,
      },
    ];
  if (facts.socket || !facts.dockerd || (install && facts.admin !== "no")) return [];
  return [
    {
      cause: "Docker is installed, but its engine does not run.",
      remedy: `Start it there: \`${facts.systemd ? "systemctl enable --now docker" : "service docker start"}\`.`,
    },
  ];
}

function firewall({ admin }: HostFacts, needs: Needs): Trouble[] {
  if (!needs.firewall || admin !== "no") return [];
  return [
    {
      cause: "A firewall needs root.",
      remedy: `Log in as root, let ${needs.user} use sudo without a password, or set semail:host.firewall to false.`,
    },
  ];
}

function resources({ disk, memory, time, synced }: HostFacts, now: number): Trouble[] {
  const freeGb = (disk * 1_024) / 1e9;
  const memoryMb = memory / 1_024;
  const skew = Math.round(time - now);
  return [
    ...(freeGb < MIN_DISK_GB
      ? [
          {
            cause: `Only ${freeGb.toFixed(1)} GB are free where Docker keeps its data.`,
            remedy: `Make room for at least ${MIN_DISK_GB} GB (\`docker system df\` shows what Docker holds).`,
          },
        ]
      : []),
    ...(memoryMb < MIN_MEMORY_MB
      ? [
          {
            cause: `It has ${Math.round(memoryMb)} MB of memory.`,
            remedy: "1 GB is the least, 2 GB are well.",
          },
        ]
      : []),
    ...(Math.abs(skew) > MAX_SKEW_SECONDS
      ? [
          {
            cause: `Its clock is ${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} this machine's${synced === "no" ? ", and not in sync with a time server" : ""}.`,
            remedy:
              "Set the wrong one right: `timedatectl set-ntp true`, or `apt-get install systemd-timesyncd`. Signatures and certificates go by it.",
          },
        ]
      : []),
  ];
}

const EVERY = new Set(["0.0.0.0", "::"]);

/** Ports of the stack at which something else listens. */
export function takenPorts(
  needed: readonly NeededPort[],
  listeners: readonly Listener[],
  published: readonly Publication[],
): Trouble[] {
  return needed.flatMap(({ path, port, binds }) => {
    const meets = ({ address }: { address: string }) =>
      EVERY.has(address) || binds.some((bind) => EVERY.has(bind) || bind === address);
    const held = published.filter((each) => each.port === port && meets(each));
    if (held.some(({ own }) => own)) return [];
    if (held.length === 0 && !listeners.some((each) => each.port === port && meets(each))) return [];
    const [holder] = held;
    return [
      {
        cause: `Port ${port} (${path}) is taken${holder ? ` by the container ${holder.container}` : ""}.`,
        remedy: holder
          ? `Stop that container, or set another port under \`${path}\`.`
          : `See by what: \`ss -ltnp sport = :${port}\` there as root (port 25 is often Debian's Exim: \`apt-get purge exim4-base\`).`,
      },
    ];
  });
}
