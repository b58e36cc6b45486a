/**
 * Who the front services are to the boxes. An authority of its own, and a certificate of each service, all of them derived
 * from a secret of the stack: the same secret always gives the same bytes (Ed25519 signatures have no randomness, RFC 8032
 * section 5.1.6), so they cost no resources, and no box is replaced because a certificate was renewed.
 */
import "reflect-metadata";
import { createHash, createHmac, createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A client certificate and its private key, PEM. */
export interface FrontIdentity {
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHM = { name: "Ed25519" };
/** What comes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 section 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
/** RFC 5280 section 4.1.2.5: the end of a certificate that has none. A new secret is how these are renewed. */
const VALIDITY = { notBefore: new Date("2020-01-01T00:00:00Z"), notAfter: new Date("9999-12-31T23:59:59Z") };
const AUTHORITY = "Semail front services";

/** The authority's certificate, base64 of its DER form: what a box checks its peers against. `seed` is hexadecimal. */
export async function frontAuthority(seed: string): Promise<string> {
  const keys = await keysOf(seed, AUTHORITY);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...VALIDITY,
    serialNumber: serial(seed, AUTHORITY),
    name: nameOf(AUTHORITY),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return Buffer.from(certificate.rawData).toString("base64");
}

/** The certificate by which `service` enters the boxes. */
export async function frontIdentity(seed: string, service: string): Promise<FrontIdentity> {
  const [authority, own] = await Promise.all([keysOf(seed, AUTHORITY), keysOf(seed, service)]);
  const certificate = await x509.X509CertificateGenerator.create({
    ...VALIDITY,
    serialNumber: serial(seed, service),
    subject: nameOf(service),
    issuer: nameOf(AUTHORITY),
    publicKey: own.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: privateKey(seed, service) };
}

// A typed value, because the library takes a bare string that begins with # for hexadecimal.
const nameOf = (value: string) => new x509.Name([{ CN: [{ utf8String: value }] }]);

function pkcs8(seed: string, owner: string): Buffer {
  const key = createHmac("sha256", Buffer.from(seed, "hex")).update(`key of ${owner} to the boxes`).digest();
  return Buffer.concat([PKCS8, key]);
}

function privateKey(seed: string, owner: string): string {
  return createPrivateKey({ key: pkcs8(seed, owner), format: "der", type: "pkcs8" })
    .export({ format: "pem", type: "pkcs8" })
    .toString();
}

async function keysOf(seed: string, owner: string): Promise<webcrypto.CryptoKeyPair> {
  const spki = createPublicKey(privateKey(seed, owner)).export({ format: "der", type: "spki" });
  const { subtle } = webcrypto;
  return {
    privateKey: await subtle.importKey("pkcs8", pkcs8(seed, owner), ALGORITHM, true, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]),
  };
}

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets, another one for another key. */
function serial(seed: string, owner: string): string {
  const digest = createHash("sha256").update(`serial of ${owner} `).update(pkcs8(seed, owner)).digest();
  return `40${digest.subarray(0, 15).toString("hex")}`;
}
