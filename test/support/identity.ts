/** A server's certificate for one test run, from an authority of its own. */
import "reflect-metadata";
import { createPrivateKey, webcrypto } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
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

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const { subtle } = webcrypto;

/** As other authorities issue them: with any subject and any alternative names, or none. */
export async function makeForeignIdentity(
  subject: string,
  alternativeNames: readonly x509.JsonGeneralName[],
): Promise<Identity> {
  const now = new Date();
  const ca = await issueAuthority("Foreign authority", 2, now);
  const pkcs8 = createPrivateKey(ca.privateKeyPem).export({ type: "pkcs8", format: "der" });
  const keys = await subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const leaf = await x509.X509CertificateGenerator.create({
    ...{
      subject,
      issuer: new x509.X509Certificate(ca.certificatePem).subjectName,
      publicKey: keys.publicKey,
    },
    ...{ notBefore: now, notAfter: new Date(now.getTime() + 86_400_000), signingAlgorithm: ALGORITHM },
    signingKey: await subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]),
    extensions:
      alternativeNames.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...alternativeNames])],
  });
  const key = x509.PemConverter.encode(await subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  const certificate = `${leaf.toString("pem")}\n${ca.certificatePem}`;
  return { certificate, key: `${key}\n`, ca: ca.certificatePem };
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
