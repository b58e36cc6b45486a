/** A server's certificate for one test run, from an authority of its own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { issueAuthority, issueCertificate } from "../../components/providers/certificate/issue.ts";

export interface Identity {
  /** The chain. */
  readonly certificate: string;
  readonly key: string;
  /** Whom a client must trust. */
  readonly ca: string;
}

/** An identity for `name`, as PEM. */
export async function makeIdentity(name: string): Promise<Identity> {
  const now = new Date();
  const ca = await issueAuthority("Test authority", 2, now);
  const issued = await issueCertificate(ca, { dnsNames: [name], ipAddresses: [], days: 1, now });
  return { certificate: issued.certificatePem, key: issued.privateKeyPem, ca: ca.certificatePem };
}

/** Puts it where a daemon finds it; gives the setting that says so. */
export async function writeIdentity(
  folder: string,
  { certificate, key }: Pick<Identity, "certificate" | "key">,
): Promise<{ certificateFile: string; keyFile: string }> {
  const files = { certificateFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  await Promise.all([writeFile(files.certificateFile, certificate), writeFile(files.keyFile, key)]);
  return files;
}
