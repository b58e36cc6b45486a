/** How a machine far away is logged in to, as OpenSSH's own client is told it. Pure. */
import { createHash } from "node:crypto";

/** Everything that a login needs. A machine that the stack makes hands out the same. */
export interface HostAccess {
  /** A name or an address. */
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** The host's public key, `ssh-ed25519 AAAA…`: no other is accepted. */
  readonly hostKey: string;
  /** File with the private key; undefined for the agent and the user's usual keys. */
  readonly identity?: string | undefined;
}

/** The name under which the configuration below knows the host. */
export const ALIAS = "semail-host";
/** Files in the folder that ssh is started in: their names are short, since the path of a socket has to be. */
export const CONFIG = "config";
export const KNOWN_HOSTS = "known_hosts";
/** The engine's socket, as it is found on this machine. */
export const SOCKET = "docker.sock";
/** Seconds for which the connection stays after its last user: what is deleted last goes after the program. */
export const STAYS_SECONDS = 20;

/** As messages name the host. */
export function nameOf({ user, address, port }: HostAccess): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${user}@${host}${port === 22 ? "" : `:${port}`}`;
}

/** The command that shows the key with which the host answers. */
export function keyCommand({ address, port, hostKey }: HostAccess): string {
  const kind = /^ecdsa/.test(hostKey) ? "ecdsa" : /^ssh-rsa/.test(hostKey) ? "rsa" : "ed25519";
  return `ssh-keyscan -t ${kind}${port === 22 ? "" : ` -p ${port}`} ${address}`;
}

/** The name of the socket by which a login's connection is shared: another way to log in is another connection. */
export function controlName({ address, port, user, hostKey, identity }: HostAccess): string {
  // Not of the object as it comes: the same login has its keys in another order when it went through Pulumi's state.
  const login = JSON.stringify([address, port, user, hostKey, identity ?? null]);
  return `c-${createHash("sha256").update(login).digest("hex").slice(0, 8)}`;
}

/** ssh's files by their name. `control`: the name of the socket that the connection is shared through. */
export function sshFiles(access: HostAccess, control: string): Record<string, string> {
  const { address, port, user, hostKey, identity } = access;
  const options: [string, string | number][] = [
    ["HostName", address],
    ["Port", port],
    ["User", user],
    // Nobody is there to answer a question.
    ["BatchMode", "yes"],
    ["StrictHostKeyChecking", "yes"],
    ["HostKeyAlias", ALIAS],
    ["UserKnownHostsFile", KNOWN_HOSTS],
    ["GlobalKnownHostsFile", "none"],
    ["UpdateHostKeys", "no"],
    ...(identity === undefined
      ? []
      : ([
          ["IdentityFile", `"${identity}"`],
          ["IdentitiesOnly", "yes"],
        ] satisfies [string, string][])),
    ["ConnectTimeout", 15],
    ["ServerAliveInterval", 15],
    ["ServerAliveCountMax", 4],
    ["ControlMaster", "auto"],
    ["ControlPath", control],
    ["ControlPersist", STAYS_SECONDS],
    ["ExitOnForwardFailure", "yes"],
    ["StreamLocalBindUnlink", "yes"],
    ["StreamLocalBindMask", "0177"],
    ["ForwardAgent", "no"],
  ];
  const lines = options.map(([key, value]) => `  ${key} ${value}\n`);
  return {
    [CONFIG]: `Host ${ALIAS}\n${lines.join("")}`,
    [KNOWN_HOSTS]: `${ALIAS} ${hostKey}\n`,
  };
}

/** A port of the host's loopback that is reached at the same port of this machine's. */
export const portForward = (port: number): string[] => ["-L", `127.0.0.1:${port}:127.0.0.1:${port}`];

/** The socket at `path` on the host, reached at {@link SOCKET}. */
export const socketForward = (path: string): string[] => ["-L", `./${SOCKET}:${path}`];
