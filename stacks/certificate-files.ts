/** A certificate that somebody else keeps, out of files of the machine on which updates run. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { describeProblems } from "./check-config.ts";
import type { Problem } from "./cross-check.ts";
import type { MailModel } from "./model.ts";

/** In PEM; the key is a secret. */
export interface Pair {
  /** The leaf first, then those who issued it. */
  readonly certificate: string;
  readonly key: string;
}

/** What the pair has to be good for. */
export interface PairNeeds {
  /** Names by which programs and servers check it. */
  readonly hosts: readonly string[];
  /** Names that are served besides. */
  readonly others: readonly string[];
  readonly now: Date;
}

/** What is wrong with a pair; `warnings` keep nobody from using it. */
export interface PairVerdict {
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

const CERTIFICATE = "certificates.certificateFile";
const KEY = "certificates.keyFile";
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The pair of `certificates.kind: files`; undefined for other kinds. Throws a `pulumi.RunError` that says what is wrong. */
export async function certificateFiles(model: MailModel, now: Date): Promise<Pair | undefined> {
  const { certificates, hostnames, stack } = model;
  const { kind, certificateFile, keyFile, names } = certificates;
  if (kind !== "files" || certificateFile === undefined || keyFile === undefined) return undefined;
  const hosts = Object.values(hostnames);
  const others = names.filter((name) => !hosts.includes(name));
  const [certificate, key] = await Promise.all([read(certificateFile), read(keyFile)]);
  const verdict = judgePair({ certificate, key }, { hosts, others, now });
  if (verdict.problems.length > 0)
    throw new pulumi.RunError(describeProblems(`Pulumi.${stack}.yaml`, verdict.problems));
  for (const warning of verdict.warnings) await pulumi.log.warn(warning);
  return { certificate: certificate ?? "", key: key ?? "" };
}

/** Undefined when it can't be read; why, is looked at by whoever runs this. */
const read = (path: string): Promise<string | undefined> =>
  readFile(path.replace(/^~(?=\/)/, homedir()), "utf8").catch(() => undefined);

/** Holds a pair against what it is for; undefined: a file that can't be read. Pure. */
export function judgePair(
  { certificate, key }: { readonly [Part in keyof Pair]: string | undefined },
  needs: PairNeeds,
): PairVerdict {
  const chain = parseChain(certificate);
  const secret = parseKey(key);
  const problems = [
    ...(typeof chain === "string" ? [{ path: CERTIFICATE, message: chain }] : judgeChain(chain, needs)),
    ...(typeof secret === "string" ? [{ path: KEY, message: secret }] : []),
  ];
  if (typeof chain === "string" || typeof secret === "string") return { problems, warnings: [] };
  if (!chain[0].checkPrivateKey(secret))
    problems.push({ path: KEY, message: "is not the key of the certificate: name the pair" });
  const missing = needs.others.filter((name) => chain[0].checkHost(name) === undefined);
  const warnings = missing.length > 0 ? [`The certificate is not for ${missing.join(", ")}.`] : [];
  return { problems, warnings };
}

const unreadable = "can't be read: is the path right, and may this user read it?";

function parseChain(text: string | undefined): [X509Certificate, ...X509Certificate[]] | string {
  if (text === undefined) return unreadable;
  try {
    const [leaf, ...issuers] = (text.match(PEM) ?? []).map((pem) => new X509Certificate(pem));
    return leaf ? [leaf, ...issuers] : "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)";
  } catch {
    return "holds a certificate that is damaged: write the file anew";
  }
}

function parseKey(text: string | undefined): KeyObject | string {
  if (text === undefined) return unreadable;
  try {
    return createPrivateKey(text);
  } catch {
    return "holds no private key in PEM that can be used without a passphrase";
  }
}

function judgeChain(
  [leaf, ...issuers]: [X509Certificate, ...X509Certificate[]],
  needs: PairNeeds,
): Problem[] {
  const problem = (message: string): Problem => ({ path: CERTIFICATE, message });
  const { hosts, now } = needs;
  const missing = hosts.filter((name) => leaf.checkHost(name) === undefined);
  const links = [leaf, ...issuers];
  const broken = issuers.some((issuer, at) => !links[at]?.checkIssued(issuer));
  return [
    ...(leaf.validToDate < now ? [problem(`ended on ${leaf.validTo}: renew it`)] : []),
    ...(leaf.validFromDate > now
      ? [problem(`is good from ${leaf.validFrom} on only: is the clock right?`)]
      : []),
    ...(missing.length > 0 ? [problem(`is not for ${missing.join(", ")}: have it issued for them`)] : []),
    ...(broken
      ? [problem("has certificates in another order: the host's own first, then who issued it, and so on")]
      : []),
  ];
}
