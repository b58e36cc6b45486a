import type { Machine } from "./machine.ts";

/** The oldest Docker Engine API that the images and containers need: Docker 20.10. */
export const OLDEST_API = "1.41";

/** What is known of the engine before anything is done about it. */
export interface EngineFacts {
  /** DOCKER_HOST, when set. */
  readonly configured: string | undefined;
  /** Why the engine that should answer doesn't. */
  readonly error: string;
  readonly machine: Machine;
}

/** What to do when no engine answers. */
export type EngineChoice =
  | { readonly kind: "install" | "start"; readonly systemd: boolean }
  | { readonly kind: "explain"; readonly cause: string; readonly remedy: string };

const explain = (cause: string, remedy: string): EngineChoice => ({ kind: "explain", cause, remedy });

/** Installs or starts an engine only where that is ours to do: this machine, root, nothing configured. */
export function chooseEngine({ configured, error, machine }: EngineFacts): EngineChoice {
  if (configured) {
    return explain(
      `The Docker engine of DOCKER_HOST (${configured}) does not answer: ${error}`,
      "Start it or correct DOCKER_HOST; unset it to use the engine of this machine.",
    );
  }
  const installed = machine.has("dockerd");
  if (/EACCES|permission denied/i.test(error)) {
    return explain(
      "This user may not talk to the Docker engine.",
      "Add the user to the group docker (`usermod -aG docker USER`, then log in again), or run this as root.",
    );
  }
  if (installed && machine.root) return { kind: "start", systemd: machine.systemd };
  if (installed) {
    return explain(
      "Docker is installed, but its engine does not run.",
      `Start it (${machine.systemd ? "`sudo systemctl start docker`" : "`dockerd` as root"}), then run this again.`,
    );
  }
  if (machine.debian && machine.root) return { kind: "install", systemd: machine.systemd };
  return explain(
    "There is no Docker engine.",
    machine.debian
      ? "Run this as root, or install it: `sudo apt-get install docker.io`. Or set DOCKER_HOST to one elsewhere."
      : "Install Docker 20.10 or newer and start it, or set DOCKER_HOST to an engine elsewhere.",
  );
}

/** Compares API versions such as 1.41 and 1.9. */
export function isApiRecent(version: string, oldest: string = OLDEST_API): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldMajor = 0, oldMinor = 0] = oldest.split(".").map(Number);
  return major > oldMajor || (major === oldMajor && minor >= oldMinor);
}

/** How dockerode reaches an engine. */
export type Connection =
  | { readonly socketPath: string }
  | {
      readonly protocol: "http" | "https" | "ssh";
      readonly host: string;
      readonly port: number;
      readonly username?: string;
    };

/** Reads a DOCKER_HOST; undefined for a form that Docker doesn't know either. */
export function parseDockerHost(text: string, tls: boolean): Connection | undefined {
  if (text.startsWith("unix://")) return { socketPath: text.slice("unix://".length) };
  const url = URL.parse(text);
  if (!url?.hostname) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (url.protocol === "ssh:") {
    const user = url.username ? { username: decodeURIComponent(url.username) } : {};
    return { protocol: "ssh", host, port: Number(url.port || 22), ...user };
  }
  if (url.protocol !== "tcp:" && url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  const secure = tls || url.protocol === "https:";
  return { protocol: secure ? "https" : "http", host, port: Number(url.port || (secure ? 2376 : 2375)) };
}
