/** What went wrong, and what to do about it, in words for the person who runs the update. */

/** An error whose text is complete: cause and remedy. */
export class UserError extends Error {}

/** What was being done. */
export interface Doing {
  /** `create container "x"` */
  readonly action: string;
  /** The engine's address. */
  readonly host: string;
}

interface Rule {
  readonly pattern: RegExp;
  readonly says: (match: RegExpExecArray, doing: Doing) => string;
}

const START_ENGINE =
  "Start it (`systemctl start docker`, or `dockerd`), or set docker:host to the engine to use.";

/** First match wins; the text is matched with the code of a system error in front. */
const RULES: readonly Rule[] = [
  {
    pattern: /^ESSH\b:?\s*(.*)$/s,
    says: (match, doing) =>
      `${doing.host} can't be reached by ssh: ${lastLine(match[1])}. Check that \`ssh\` logs in there without a question and that \`docker\` works there.`,
  },
  {
    pattern: /\bconnect (EACCES|EPERM)\b|permission denied while trying to connect/i,
    says: (_, doing) =>
      `the Docker engine at ${doing.host} refuses this user. Run as root, or add the user to the group \`docker\`.`,
  },
  {
    pattern: /\b(?:connect|getaddrinfo) (E[A-Z_]+)|^(ECONNREFUSED|EHOSTUNREACH|ETIMEDOUT)\b/,
    says: (match, doing) =>
      `no Docker engine answers at ${doing.host} (${match[1] ?? match[2]}). ${START_ENGINE}`,
  },
  {
    pattern: /\b(ECONNRESET|EPIPE)\b|socket hang up/,
    says: (_, doing) =>
      `the Docker engine at ${doing.host} broke off the connection. ${START_ENGINE} Then run again.`,
  },
  {
    pattern:
      /Bind for (\S+) failed: port is already allocated|listen (?:tcp|udp)\d? (\S+): bind: address already in use/,
    says: (match) =>
      `port ${match[1] ?? match[2]} is taken on the Docker host. Free it (\`ss -lntup\` and \`docker ps\` show who has it), or choose another port in the stack's configuration.`,
  },
  {
    pattern: /listen (?:tcp|udp)\d? (\S+): bind: cannot assign requested address/,
    says: (match) =>
      `the Docker host has no address ${match[1]}. Publish the port on an address that it has.`,
  },
  {
    pattern: /no space left on device/i,
    says: () =>
      "the disk of the Docker host is full. Make room (`docker system df` shows what takes it, `docker image prune` frees unused images), then run again.",
  },
  {
    pattern: /Pool overlaps with other one on this address space/i,
    says: () =>
      "the subnet overlaps with another network of this engine. Choose another subnet, or remove the other network (`docker network ls`).",
  },
  {
    pattern: /could not find an available,? non-overlapping IPv4 address pool/i,
    says: () =>
      "the engine has no free subnet left. Remove unused networks (`docker network prune`), or give a subnet.",
  },
  {
    pattern:
      /Address already in use|invalid address .*?: It does not belong to any of this network's subnets/i,
    says: (match) =>
      `the fixed address can't be used: ${match[0]}. Choose a free one inside the network's subnet.`,
  },
  {
    pattern: /container rootfs is marked read-only|mounted volume is marked read-only/,
    says: () =>
      "a file to upload lies on a read-only file system. Upload into a volume that is mounted writable, or leave readOnly out.",
  },
  {
    pattern: /No such image: (\S+)/,
    says: (match) =>
      `the image ${match[1]} is not on this engine. Run \`pulumi up --refresh\` so that it is built again, or load it (\`docker load\`).`,
  },
  {
    pattern: /network (\S+) not found/,
    says: (match) => `the network ${match[1]} is gone. Run \`pulumi up --refresh\` so that it is made again.`,
  },
  {
    pattern: /pull access denied for (\S+?),|manifest for (\S+) not found|manifest unknown/,
    says: (match) =>
      `the image ${match[1] ?? match[2] ?? ""} is neither on this engine nor to be had from its registry.`,
  },
];

/** The whole message for an error from the engine or the system. */
export function explain(error: unknown, doing: Doing): string {
  if (error instanceof UserError) return error.message;
  const said = engineText(error);
  for (const { pattern, says } of RULES) {
    const match = pattern.exec(said);
    if (match) return `can't ${doing.action}: ${says(match, doing)}`;
  }
  return `can't ${doing.action}: ${said}`;
}

/** What the engine itself said, without the client's wrapping. */
export function engineText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { json, code } = error as { json?: { message?: unknown }; code?: unknown };
  if (typeof json?.message === "string") return json.message.trim();
  const text = error.message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim();
  return typeof code === "string" && !text.includes(code) ? `${code}: ${text}` : text;
}

/** The HTTP status with which the engine refused, if it did. */
export function statusOf(error: unknown): number | undefined {
  const status = error instanceof Error ? (error as { statusCode?: unknown }).statusCode : undefined;
  return typeof status === "number" ? status : undefined;
}

/** Runs the request; undefined if the engine says that there is no such thing. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function lastLine(text: string | undefined): string {
  return (text ?? "").trim().split("\n").at(-1)?.replace(/\.$/, "") ?? "";
}
