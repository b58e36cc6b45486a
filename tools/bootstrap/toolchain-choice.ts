/** The versions that are built where no recent Pulumi is installed. */
export const PULUMI_VERSION = "3.274.1";
/** The last line of the language host that exists as a Go module of its own. */
export const LANGUAGE_HOST_VERSION = "3.68.0";

/**
 * The oldest Pulumi that is taken from PATH. The program needs credentials by `configure` (3.139) and the commands
 * `--config-file` with `--exclude-protected`; from 3.200 on the Node.js host also runs TypeScript as Node does
 * (`typescript: false`), which is what is tested.
 */
export const OLDEST_PULUMI = [3, 200, 0] as const;

/** A Pulumi that is installed on the machine. */
export interface Installed {
  readonly path: string;
  /** What `pulumi version` prints. */
  readonly version: string;
  /** Its Node.js language host is beside it or on PATH. */
  readonly nodejs: boolean;
}

/** Where Pulumi comes from; `why` says why the installed one is passed over. */
export type ToolchainChoice =
  | { readonly kind: "installed"; readonly path: string; readonly version: string }
  | { readonly kind: "built" | "build"; readonly why: string };

/** The numbers of `v3.274.1`, `3.200.0-dev.1+x`; undefined for anything else. */
export function parseVersion(text: string): [number, number, number] | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text.trim());
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

/** True when `version` is `oldest` or newer, within the same major version. */
export function isRecent(
  version: string,
  oldest: readonly [number, number, number] = OLDEST_PULUMI,
): boolean {
  const numbers = parseVersion(version);
  if (!numbers || numbers[0] !== oldest[0]) return false;
  if (numbers[1] !== oldest[1]) return numbers[1] > oldest[1];
  return numbers[2] >= oldest[2];
}

/** The installed Pulumi when it will do, else the one built here, else a build. */
export function chooseToolchain(installed: Installed | undefined, built: boolean): ToolchainChoice {
  if (installed && isRecent(installed.version) && installed.nodejs) {
    return { kind: "installed", path: installed.path, version: installed.version };
  }
  return { kind: built ? "built" : "build", why: whyNot(installed) };
}

function whyNot(installed: Installed | undefined): string {
  if (!installed) return "none on PATH";
  if (!isRecent(installed.version)) {
    return `${installed.version || "unknown version"} on PATH is older than ${OLDEST_PULUMI.join(".")}`;
  }
  return "the one on PATH has no Node.js language host";
}

/** Which docker provider Pulumi is given. */
export type DockerPlugin = "official" | "builtin";

/**
 * The official plugin for whoever has an ordinary Pulumi, since it can download plugins; the one of this
 * repository beside a Pulumi that had to be built, since then nothing can be downloaded. `wish` overrides.
 */
export function chooseDockerPlugin(
  wish: string | undefined,
  facts: { pulumiInstalled: boolean; officialInstalled: boolean },
): DockerPlugin | undefined {
  if (wish === "official" || wish === "builtin") return wish;
  if (wish !== undefined && wish !== "") return undefined;
  return facts.pulumiInstalled || facts.officialInstalled ? "official" : "builtin";
}
