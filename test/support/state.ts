/** A test stack's state, with and without its secrets. */
import type { Deployment } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import type { TestProject } from "./project.ts";

export interface Secrets {
  /** The state as it is on disk. */
  readonly state: string;
  /** Passwords, seeds and private keys of the state, decrypted. */
  readonly values: string[];
  readonly directoryAdmin: string;
  readonly dnsToken: string;
}

interface Resource {
  readonly urn: string;
  readonly outputs?: Record<string, unknown>;
}

/** A resource as the state has it. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly parent?: string;
  readonly dependencies?: readonly string[];
  readonly inputs: { memory: number };
  readonly outputs: { memory: number };
}

/** The resources of an exported state, to be read or edited. */
export function resourcesOf(state: Deployment): StateResource[] {
  return (state as unknown as { deployment: { resources: StateResource[] } }).deployment.resources;
}

/** Edits the resources of the state, behind Pulumi's back; those stay for which `keep` is true. */
export async function changeState(
  { stack }: TestProject,
  keep: (each: StateResource) => boolean,
): Promise<void> {
  const whole = await stack.exportStack();
  const resources = resourcesOf(whole);
  resources.splice(0, resources.length, ...resources.filter(keep));
  await stack.importStack(whole);
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
  const secretOf = (name: string): string => {
    const resource = deployment.resources.find(({ urn }) => urn.endsWith(`::${name}`));
    return plaintexts(resource?.outputs)[0] ?? "";
  };
  return {
    state: stored.stdout,
    values: [...new Set(plaintexts(deployment.resources))],
    directoryAdmin: secretOf("keys-directory-admin"),
    dnsToken: secretOf("keys-dns-token"),
  };
}

/** Names of properties that hold a secret; beside them, a secret object may hold what everybody may know. */
const SECRET_NAMES = new Set(["value", "password", "initialPassword", "privateKeyPem", "token"]);

/** The strings below `value` that are marked secret and have a secret's name. */
function plaintexts(value: unknown, at = { name: "", secret: false }): string[] {
  if (typeof value === "string") return at.secret && SECRET_NAMES.has(at.name) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  const secret = (value as Record<string, unknown>)[PLAINTEXT];
  if (typeof secret === "string") return plaintexts(JSON.parse(secret), { ...at, secret: true });
  return Object.entries(value).flatMap(([name, child]) => plaintexts(child, { ...at, name }));
}
