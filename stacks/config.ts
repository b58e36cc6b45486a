/** The only reader of `pulumi.Config`: raw values in, a checked StackConfig out, or one error with every bad path. */
import * as pulumi from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/index.js";
import { describeProblems, NAMESPACE, parseConfig, rawConfig } from "./check-config.ts";
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
      message: "is needed for dns.provider gandi: pulumi config set --secret semail:gandiToken <token>",
    });
  }
  if (
    result.config?.backup.enabled &&
    result.config.backup.repository !== "local" &&
    !backupSecrets.secretKey
  ) {
    result.problems.push({
      path: "backupSecretKey",
      message: "is needed for backup.repository: pulumi config set --secret semail:backupSecretKey <key>",
    });
  }
  if (!result.config || result.problems.length > 0) {
    throw new pulumi.RunError(describeProblems(`Pulumi.${pulumi.getStack()}.yaml`, result.problems));
  }
  return { config: result.config, gandiToken, backupSecrets };
}
