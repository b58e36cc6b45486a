/** The engine's address and the provider's settings. */
import { isRecord, type Props, UNKNOWN } from "./values.ts";

/** Where the engine is. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "ssh"; readonly destination: string; readonly port?: number };

/** The provider's settings. */
export interface ProviderConfig {
  readonly host: string;
  readonly sshOpts: readonly string[];
  readonly certPath?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const DEFAULT_HOST = "unix:///var/run/docker.sock";

/** Reads `unix://…`, `tcp://host:port` or `ssh://user@host[:port]`; a string says what is wrong. */
export function parseHost(host: string): Address | string {
  const unix = /^unix:\/\/(.*)$/.exec(host);
  if (unix) return { kind: "unix", path: unix[1] || "/var/run/docker.sock" };
  if (!URL.canParse(host)) return `not an address of a Docker engine: ${host}`;
  const url = new URL(host);
  const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (name === "") return `the host is missing in ${host}`;
  if (url.protocol === "tcp:")
    return { kind: "tcp", host: name, port: url.port === "" ? 2375 : Number(url.port) };
  if (url.protocol !== "ssh:") return `${url.protocol}// is not supported; use unix://, tcp:// or ssh://`;
  // A destination that begins with a dash would be read by ssh as an option.
  if (url.username.startsWith("-") || name.startsWith("-")) return `not a host name: ${host}`;
  const destination = url.username === "" ? name : `${decodeURIComponent(url.username)}@${name}`;
  return { kind: "ssh", destination, ...(url.port === "" ? {} : { port: Number(url.port) }) };
}

/** The engine hands settings over as text; those that aren't strings come as JSON in a string. */
export function decodeSetting(value: unknown): unknown {
  if (typeof value !== "string" || !/^[[{]|^(true|false)$/.test(value.trim())) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

const SERVED = [
  "host",
  "sshOpts",
  "certPath",
  "caMaterial",
  "certMaterial",
  "keyMaterial",
  "disableDockerDaemonCheck",
];
/** Settings of the engine itself, which it passes on to every provider. */
const ENGINES_OWN = ["version", "pluginDownloadURL", "pluginChecksums", "envVarMappings"];

/** What is wrong with the provider's settings. */
export function configFailures(settings: Props): { property: string; reason: string }[] {
  const foreign = Object.keys(settings)
    .filter((name) => !name.startsWith("__") && !SERVED.includes(name) && !ENGINES_OWN.includes(name))
    .map((property) => ({
      property,
      reason: `"${property}" is not supported by the air-gapped docker plugin: use "host", or the official docker plugin`,
    }));
  const { host } = settings;
  if (host === undefined || host === UNKNOWN) return foreign;
  const address = typeof host === "string" ? parseHost(host) : "must be a string";
  return typeof address === "string"
    ? [...foreign, { property: "host", reason: `"host": ${address}` }]
    : foreign;
}

/** The settings with what the environment adds. */
export function providerConfig(settings: Props, environment: NodeJS.ProcessEnv): ProviderConfig {
  const setting = (name: string): string | undefined => {
    const value = settings[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const sshOpts = decodeSetting(settings.sshOpts);
  const certPath = setting("certPath") ?? (environment.DOCKER_CERT_PATH || undefined);
  const ca = setting("caMaterial");
  const cert = setting("certMaterial");
  const key = setting("keyMaterial");
  return {
    host: setting("host") ?? (environment.DOCKER_HOST || DEFAULT_HOST),
    sshOpts: Array.isArray(sshOpts) ? sshOpts.filter((each) => typeof each === "string") : [],
    ...(certPath === undefined ? {} : { certPath }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Settings of the engine config namespace, `docker:config:host` → `host`. */
export function fromVariables(variables: Iterable<readonly [string, string]>): Props {
  return Object.fromEntries(
    [...variables].map(([key, value]) => [key.slice(key.lastIndexOf(":") + 1), value]),
  );
}

/** The settings of a provider as the engine sends them, each decoded. */
export function decodeSettings(settings: Props): Props {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, decodeSetting(value)]));
}

/** Whether the address of the engine is still to come. */
export function hostUnknown(settings: Props): boolean {
  return isRecord(settings) && settings.host === UNKNOWN;
}
