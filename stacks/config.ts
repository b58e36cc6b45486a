/** The only reader of `pulumi.Config`: raw values in, a checked StackConfig out, or one error with every bad path. */
import * as pulumi from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/index.js";
import { describeProblems, NAMESPACE, parseConfig, rawConfig } from "./check-config.ts";
import type { Problem } from "./cross-check.ts";
import type { StackConfig } from "./schema.ts";

/** What opens the repository of snapshots, as far as the config has it. */
export interface BackupSecrets {
  /** In place of one that the stack makes. */
  readonly password: pulumi.Output<string> | undefined;
  readonly secretKey: pulumi.Output<string> | undefined;
}

export interface LoadedConfig {
  readonly config: StackConfig;
  /** Personal access token for Gandi's LiveDNS API. */
  readonly gandiToken: pulumi.Output<string> | undefined;
  readonly backupSecrets: BackupSecrets;
  /** Key to `certificates.eabKeyId`. */
  readonly eabKey: pulumi.Output<string> | undefined;
}

/** Reads the stack's config. Throws a `pulumi.RunError` that lists every bad path with its remedy. */
export function loadConfig(): LoadedConfig {
  const all = allConfig();
  const result = parseConfig(rawConfig(all));
  const secret = (name: string) =>
    all[`${NAMESPACE}:${name}`] ? new pulumi.Config(NAMESPACE).requireSecret(name) : undefined;
  const gandiToken = secret("gandiToken");
  const backupSecrets = { password: secret("backupPassword"), secretKey: secret("backupSecretKey") };
  if (result.config?.dns.provider === "gandi" && !gandiToken && !process.env.GANDI_PERSONAL_ACCESS_TOKEN) {
    result.problems.push({
      path: "gandiToken",
      message: `is needed for dns.provider gandi: ${secretCommand("gandiToken")}`,
    });
  }
  const eabKey = secret("eabKey");
  if (result.config) result.problems.push(...missingForAcme(result.config, { gandiToken, eabKey }));
  if (
    result.config?.backup.enabled &&
    result.config.backup.repository !== "local" &&
    !backupSecrets.secretKey
  ) {
    result.problems.push({
      path: "backupSecretKey",
      message: `is needed for backup.repository: ${secretCommand("backupSecretKey")}`,
    });
  }
  if (!result.config || result.problems.length > 0) {
    throw new pulumi.RunError(describeProblems(`Pulumi.${pulumi.getStack()}.yaml`, result.problems));
  }
  return { config: result.config, gandiToken, backupSecrets, eabKey };
}

const secretCommand = (name: string): string => `npm run secret -- ${name} --stack ${pulumi.getStack()}`;

/** The certifier runs on the host: it can't use what is in the environment here. */
function missingForAcme(
  { certificates, dns }: StackConfig,
  { gandiToken, eabKey }: Pick<LoadedConfig, "gandiToken" | "eabKey">,
): Problem[] {
  if (certificates.kind !== "acme") return [];
  const problems: Problem[] = [];
  if (dns.provider === "gandi" && !gandiToken)
    problems.push({
      path: "gandiToken",
      message: `is needed for certificates.kind acme, where the host itself writes records: ${secretCommand("gandiToken")}`,
    });
  if (certificates.eabKeyId !== undefined && !eabKey)
    problems.push({
      path: "eabKey",
      message: `is needed for certificates.eabKeyId: ${secretCommand("eabKey")}`,
    });
  return problems;
}
