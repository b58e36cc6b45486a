/** A Pulumi project of records alone, without a mail system around them; its state is its own. */
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";

const ROOT = join(import.meta.dirname, "../..");

export interface DnsProject {
  readonly folder: string;
  readonly stack: Stack;
  /** Writes the program anew. */
  program(text: string): Promise<void>;
  dispose(): Promise<void>;
}

/** `env` is what Pulumi finds in its environment, besides. */
export async function makeDnsProject(env: Record<string, string>): Promise<DnsProject> {
  const name = `semail-t${randomBytes(3).toString("hex")}`;
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  for (const path of ["package.json", "stacks", "components", "mailserver", "sdks"])
    await cp(join(ROOT, path), join(folder, path), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await mkdir(join(folder, "state"));
  const runtime = "runtime: {name: nodejs, options: {typescript: false}}";
  await writeFile(join(folder, "Pulumi.yaml"), `name: ${name}\n${runtime}\nmain: index.ts\n`);
  const program = (text: string) => writeFile(join(folder, "index.ts"), text);
  await program("");
  const envVars = {
    ...env,
    PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  const stack = await LocalWorkspace.createOrSelectStack({ stackName: "test", workDir: folder }, { envVars });
  return { folder, stack, program, dispose: () => rm(folder, { recursive: true, force: true }) };
}

export interface MailDomainKeys {
  readonly domain: string;
  readonly domains?: readonly string[];
  readonly dns?: object;
  /** The host's; some address by default. */
  readonly address?: string;
  /** What the program takes for the time; the clock's by default. */
  readonly now?: Date;
  /** The same when its records are made; `now` by default. */
  readonly end?: Date;
  /** An update as the portal asks for. */
  readonly leavesDns?: boolean;
}

/**
 * The program of a mail domain as the product declares it: its checks before, its records, and something that signs with
 * the key and that they tell of. `semail` are the `semail:*` keys; the API is the environment's.
 */
export const mailDomainProgram = ({
  address = "192.0.2.1",
  now,
  end = now,
  leavesDns = false,
  ...semail
}: MailDomainKeys): string => `
import * as pulumi from "@pulumi/pulumi";
import { KeyPair } from "./components/providers/key-pair/resource.ts";
import { MailDomain } from "./components/mail-domain.ts";
import { liveDnsRecords } from "./components/record-provider.ts";
import { parseConfig } from "./stacks/check-config.ts";
import { settleRecords } from "./stacks/dns/settle.ts";
import { buildModel } from "./stacks/model.ts";
import { readPrior } from "./stacks/prior.ts";
import { dkimRecord } from "./stacks/records.ts";
Error.stackTraceLimit = 0; // as in the product's
const apiUrl = process.env.GANDI_API_URL;
const raw = ${JSON.stringify({ users: {}, host: { address }, ...semail })};
const { config } = parseConfig({ ...raw, dns: { provider: "gandi", apiUrl, ttl: 300, ...raw.dns } });
const built = buildModel(config, { project: "semail", stack: "prod" });
const times = ${JSON.stringify([now, end].filter((time) => time !== undefined))};
const now = () => new Date(...(times.length > 1 ? [times.shift()] : times));
const settling = { gandiToken: undefined, outputs: await readPrior(), leavesDns: ${leavesDns}, now,
  refreshes: process.env.SEMAIL_REFRESHES !== undefined };
const { model, dns: left } = await settleRecords(built, settling);
const zones = new MailDomain("domain", {
  // The token is the environment's.
  provider: liveDnsRecords({ url: apiUrl, token: undefined, adoptExisting: model.dns.adoptExisting, snapshot: true }),
  ...{ servers: [], patienceSeconds: 0 },
});
const keys = model.domains.map((zone) => dkimRecord(zone, "semail1", "v=DKIM1; k=rsa; p=AAAA", 300));
const smtpOut = new KeyPair("smtp-out", { algorithm: "ed25519" }, { dependsOn: zones.publishKeys(keys, []) });
const published = zones.publish(model.records, [smtpOut]);
export const summary = { records: model.records };
export const dns = pulumi.all(published.map(({ urn }) => urn)).apply(left);
`;
