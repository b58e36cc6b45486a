/** What the Pulumi program declares from a config, recorded by Pulumi's mocks. */
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { disconnect, getMonitor } from "@pulumi/pulumi/runtime/settings.js";
import type { ImagePlans } from "../../components/mail-images.ts";
import { issueAuthority } from "../../components/providers/certificate/issue.ts";
import type { Pair } from "../../stacks/certificate-files.ts";
import { parseConfig } from "../../stacks/check-config.ts";
import { planRotation, type RotationPlan } from "../../stacks/dkim/rotation.ts";
import { mailStack } from "../../stacks/mail-stack.ts";
import type { FormerHolders } from "../../stacks/mailboxes/former.ts";
import { type MailboxFacts, type MailboxPlan, planMailboxes } from "../../stacks/mailboxes/plan.ts";
import { buildModel } from "../../stacks/model.ts";
import type { OperatorPlace } from "../../stacks/operator-place.ts";
import type { StackConfig } from "../../stacks/schema.ts";
import type { Summary } from "../../stacks/summary.ts";

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

export const registered: Registered[] = [];
/** Names of those that Pulumi deletes for nobody. */
export const guarded = new Set<string>();
/** Machines that were connected to, with the key that they were to show. */
export const reached: string[] = [];
export const ENGINE = "unix://.semail/ssh/dev/docker.sock";

const plans: ImagePlans = {
  base: { tag: "semail/base:1", context: "x/base", buildArgs: {} },
  node: { tag: "semail/node:1", context: "x/node", buildArgs: {}, on: "base" },
  guard: { tag: "semail/guard:1", context: "x/guard", buildArgs: {}, on: "base" },
  directory: { tag: "semail/directory:1", context: "x/directory", buildArgs: {}, on: "base" },
  box: { tag: "semail/box:1", context: "x/box", buildArgs: {}, on: "base" },
  access: { tag: "semail/access:1", context: "x/access", buildArgs: {}, on: "base" },
  resolver: { tag: "pinned/resolver:7" },
  "smtp-in": { tag: "semail/smtp-in:1", context: "x/smtp-in", buildArgs: {}, on: "node" },
  "smtp-out": { tag: "semail/smtp-out:1", context: "x/smtp-out", buildArgs: {}, on: "node" },
  operator: { tag: "semail/operator:1", context: "x/operator", buildArgs: {}, on: "node" },
  portal: { tag: "semail/portal:1", context: "x/portal", buildArgs: {}, on: "node" },
  backup: { tag: "semail/backup:1", context: "x/backup", buildArgs: {}, on: "node" },
  "backup-timer": { tag: "semail/backup-timer:1", context: "x/backup-timer", buildArgs: {}, on: "node" },
  certifier: { tag: "semail/certifier:1", context: "x/certifier", buildArgs: {}, on: "node" },
  livedns: { tag: "semail/livedns:1", context: "x/livedns", buildArgs: {}, on: "node" },
};

export const PRIVATE_KEY = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
const PUBLIC_KEY = createPublicKey(PRIVATE_KEY).export({ type: "spki", format: "pem" });
export const RAW_KEY = Buffer.alloc(32, 7).toString("base64");
const AUTHORITY = await issueAuthority("Test authority", 2, new Date());

export const machine: OperatorPlace = {
  root: "/srv/semail",
  stack: "dev",
  user: 1000,
  group: 998,
  binds: [
    { path: "/srv/semail", readOnly: false },
    { path: "/opt/pulumi", readOnly: true },
  ],
  path: "/usr/local/bin:/opt/pulumi",
  pulumiHome: "/srv/semail/.semail/pulumi-home",
};

/** What a real provider would answer, as far as other resources use it. */
export function outputs(type: string, inputs: Record<string, unknown>, serial = 1): Record<string, unknown> {
  const pem = {
    certificatePem: "-----BEGIN CERTIFICATE-----\n",
    privateKeyPem: "-----BEGIN PRIVATE KEY-----\n",
  };
  if (type.endsWith(":RemoteImage")) return { ...inputs, imageId: `sha256:${inputs.name}` };
  if (type.endsWith(":Image")) return { ...inputs, repoDigest: `sha256:${inputs.imageName}` };
  if (type.endsWith(":Certificate"))
    return { ...inputs, ...pem, certificatePem: `${pem.certificatePem}${serial}\n` };
  if (type.endsWith(":DiskLimit"))
    return { ...inputs, why: "ext4 on /dev/sda1 has no quotas for users, or has them off" };
  if (type.includes("RandomSecret")) return { ...inputs, value: "0123456789abcdef0123456789abcdef" };
  if (type.includes("Certificate")) return { ...inputs, ...pem, certificatePem: AUTHORITY.certificatePem };
  if (type.includes("KeyPair"))
    return {
      ...{ ...inputs, privateKeyPem: PRIVATE_KEY },
      ...{ publicKeyPem: PUBLIC_KEY, publicKeyBase64: inputs.algorithm === "ed25519" ? RAW_KEY : "MIIB" },
    };
  if (type.includes("LibvirtImage"))
    return {
      ...inputs,
      recipe: "0123456789abcdef",
      disk: "/i/disk",
      kernel: "/i/vmlinuz",
      initrd: "/i/initrd",
    };
  return inputs;
}

/** Runs the program's components against recording mocks. Unwraps secrets, as a provider that takes none gets them. */
export async function declare(
  raw: Record<string, unknown>,
  {
    operatorPlace,
    plan,
    mailboxes,
    formerHolders = {},
    present = [],
    pair,
    serial,
    backupPassword,
    random,
  }: {
    operatorPlace?: OperatorPlace;
    plan?: RotationPlan;
    mailboxes?: Partial<MailboxFacts>;
    formerHolders?: FormerHolders;
    /** URNs of what the stack has. */
    present?: readonly string[];
    pair?: Pair;
    /** Part of the certificate's text: another is another certificate. */
    serial?: number;
    /** Chosen by a person. */
    backupPassword?: string;
    /** Every secret that the stack makes. */
    random?: string;
  } = {},
): Promise<Summary> {
  registered.length = 0;
  guarded.clear();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs });
        const state = outputs(type, inputs, serial);
        // One like no other, as it is in a stack.
        if (type.includes("RandomSecret"))
          state.value = random ?? `${state.value}${Buffer.from(name).toString("hex")}`;
        return { id: `${name}-id`, state };
      },
      call: () => ({}),
    },
    "semail",
    "dev",
  );
  noteGuarded();
  const { config, problems } = parseConfig(raw);
  assert.ok(config, JSON.stringify(problems));
  const { summary } = mailStack({
    model: buildModel(config, { project: "semail", stack: "dev" }),
    plans,
    dkim:
      plan ??
      planRotation({
        ...config.dkim,
        wanted: 1,
        prior: undefined,
        seen: true,
        tidies: true,
        now: new Date(),
      }),
    ...{ mailboxes: planned(config, mailboxes), formerHolders, present },
    gandiToken: undefined,
    ...(backupPassword === undefined
      ? {}
      : { backupSecrets: { password: pulumi.secret(backupPassword), secretKey: undefined } }),
    operatorPlace,
    pair,
    reach: async ({ address, hostKey }) => {
      reached.push(`${address} ${hostKey}`);
      return ENGINE;
    },
  });
  const result = await new Promise<Summary>((resolve) => summary.apply(resolve));
  await disconnect();
  return result;
}

/** Mocks aren't told of it. */
function noteGuarded(): void {
  const monitor = getMonitor();
  assert.ok(monitor);
  const register = monitor.registerResource.bind(monitor);
  const noting = (request: ResourceRequest, ...more: unknown[]): unknown => {
    if (request.getProtect()) guarded.add(request.getName());
    return Reflect.apply(register, undefined, [request, ...more]);
  };
  Object.assign(monitor, { registerResource: noting });
}

interface ResourceRequest {
  getName(): string;
  getProtect(): boolean | undefined;
}

function planned(config: StackConfig, facts: Partial<MailboxFacts> = {}): MailboxPlan {
  const plan = planMailboxes({ config, prior: undefined, today: "2026-02-01", tidies: true, ...facts });
  assert.ok(!("problems" in plan), JSON.stringify(plan));
  return plan;
}

/** Containers that run; those that only hold settings are never started. */
export const running = () => byType("container:Container").filter(({ inputs }) => inputs.start !== false);
export const byType = (suffix: string) => registered.filter(({ type }) => type.endsWith(suffix));
export const named = (name: string): Registered => {
  const found = registered.find((entry) => entry.name === name);
  assert.ok(found, `no resource ${name} among ${registered.map((entry) => entry.name)}`);
  return found;
};
export const plain = <T>(value: unknown): T => (isSecret(value) ? value.value : value) as T;
export const isSecret = (value: unknown): value is { value: unknown } =>
  typeof value === "object" && value !== null && "value" in value && Object.keys(value).length === 2;

export const splitEnv = (line: string): [string, string] => [
  line.replace(/=.*/, ""),
  line.replace(/^[^=]*=/, ""),
];
export const guarding = (): Record<string, string | undefined> =>
  Object.fromEntries((named("guard-rules").inputs.envs as string[]).map(splitEnv));
export const frontAddresses = (): string[] => guarding().GUARD_FRONT?.split(" ") ?? [];

/** The settings file of a daemon. */
export function settingsOf(name: string): Record<string, unknown> & { resolvers?: string[] } {
  const uploads = plain<{ file: string; content: unknown }[]>(named(`${name}-settings-files`).inputs.uploads);
  const file = uploads.find((upload) => upload.file.endsWith("/settings.json"));
  return JSON.parse(plain<string>(file?.content));
}
