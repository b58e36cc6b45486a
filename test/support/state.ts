/** A test stack's state, with and without its secrets. */
import { execa } from "execa";
import type { TestProject } from "./project.ts";

export interface Secrets {
  /** The state as it is on disk. */
  readonly state: string;
  /** Every secret string of the state, decrypted. */
  readonly values: string[];
  readonly directoryAdmin: string;
  readonly dnsToken: string;
}

interface Resource {
  readonly urn: string;
  readonly outputs?: Record<string, unknown>;
}

/** Pulumi marks a secret in an export with this key; its value is JSON text. */
const PLAINTEXT = "plaintext";

/** Reads the state twice: as it is stored, and decrypted. */
export async function secretsOf({ stack, folder }: TestProject): Promise<Secrets> {
  const env = stack.workspace.envVars;
  const shown = ["stack", "export", "--stack", stack.name];
  const [stored, clear] = await Promise.all([
    execa("pulumi", shown, { cwd: folder, env }),
    execa("pulumi", [...shown, "--show-secrets"], { cwd: folder, env }),
  ]);
  const { deployment } = JSON.parse(clear.stdout) as { deployment: { resources: Resource[] } };
  const valueOf = (name: string): string => {
    const resource = deployment.resources.find(({ urn }) => urn.endsWith(`::${name}`));
    return plaintexts(resource?.outputs?.value)[0] ?? "";
  };
  return {
    state: stored.stdout,
    // Short ones, such as an empty list, stand anywhere.
    values: [...new Set(plaintexts(deployment.resources))].filter((value) => value.length >= 16),
    directoryAdmin: valueOf("keys-directory-admin"),
    dnsToken: valueOf("keys-dns-token"),
  };
}

/** Every string inside every secret. */
function plaintexts(value: unknown, inside = false): string[] {
  if (typeof value === "string") return inside ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  const secret = (value as Record<string, unknown>)[PLAINTEXT];
  if (typeof secret === "string") return plaintexts(JSON.parse(secret), true);
  return Object.values(value).flatMap((child) => plaintexts(child, inside));
}
