/** Issues certificates (RFC 5280). */
import "reflect-metadata";
import { createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { validity } from "./diff.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const { subtle } = webcrypto;

/** What both resources give out. */
export interface Issued {
  certificatePem: string;
  privateKeyPem: string;
  /** ISO 8601. */
  notAfter: string;
  serialNumber: string;
}

/** An authority's certificate and private key in PEM. */
export interface Authority {
  certificatePem: string;
  privateKeyPem: string;
}

const newKeys = () => subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);

/** The pair of a private key in PEM. */
async function knownKeys(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const spki = createPublicKey(pem).export({ type: "spki", format: "der" });
  const pkcs8 = x509.PemConverter.decodeFirst(pem);
  return {
    privateKey: await subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]),
  };
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets, not to be guessed. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

// Typed values, because the library takes a bare string that begins with # for hexadecimal.
const commonNameOnly = (value: string) => new x509.Name([{ CN: [{ utf8String: value }] }]);

/** A self-signed authority that can issue end-entity certificates only. */
export async function issueAuthority(commonName: string, days: number, now: Date): Promise<Issued> {
  return selfSigned({ commonName, days, now }, await newKeys());
}

/** What an authority's certificate is to say. */
export interface AuthorityRequest {
  commonName: string;
  days: number;
  now: Date;
}

/** Another certificate of the authority that has this key. */
export async function renewAuthority(request: AuthorityRequest, privateKeyPem: string): Promise<Issued> {
  return selfSigned(request, await knownKeys(privateKeyPem));
}

async function selfSigned(
  { commonName, days, now }: AuthorityRequest,
  keys: webcrypto.CryptoKeyPair,
): Promise<Issued> {
  const { notBefore, notAfter } = validity(now, days);
  const serialNumber = newSerial();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    name: commonNameOnly(commonName),
    notBefore,
    notAfter,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificatePem: `${certificate.toString("pem")}\n`,
    privateKeyPem: `${await privatePem(keys.privateKey)}\n`,
    notAfter: notAfter.toISOString(),
    serialNumber,
  };
}

/** What a server's certificate is to say. */
export interface Request {
  dnsNames: string[];
  ipAddresses: string[];
  days: number;
  now: Date;
  /** The server's private key, ECDSA P-256, in PKCS #8 PEM; undefined: a new one. */
  keyPem?: string | undefined;
}

/** Throws, with what to do, unless `authority` is a usable authority: readable, its key its own, its time not over. */
function checkAuthority(authority: Authority, now: Date): X509Certificate {
  const certificate = new X509Certificate(authority.certificatePem);
  if (!certificate.checkPrivateKey(createPrivateKey(authority.privateKeyPem))) {
    throw new Error("caPrivateKeyPem is not the key of caCertificatePem: give both from one authority");
  }
  if (certificate.validToDate <= now) {
    throw new Error(`the authority's certificate ended on ${certificate.validTo}: renew it first`);
  }
  return certificate;
}

/** A server's certificate; `certificatePem` is the chain: it, then the authority's. */
export async function issueCertificate(authority: Authority, request: Request): Promise<Issued> {
  const { dnsNames, ipAddresses, days, now, keyPem } = request;
  const parent = checkAuthority(authority, now);
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const pkcs8 = x509.PemConverter.decodeFirst(authority.privateKeyPem);
  const signingKey = await subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
  const keys = keyPem === undefined ? await newKeys() : await knownKeys(keyPem);
  const { notBefore, notAfter } = validity(now, days, parent.validToDate);
  const serialNumber = newSerial();
  const subject = dnsNames[0] ?? "";
  // RFC 5280 section 4.2.1.6: without a subject, the alternative names are critical. A long name can't be a CN.
  const named = subject.length > 0 && subject.length <= 64;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber,
    subject: named ? commonNameOnly(subject) : [],
    issuer: issuer.subjectName,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        [
          ...dnsNames.map((value) => ({ type: "dns" as const, value })),
          ...ipAddresses.map((value) => ({ type: "ip" as const, value })),
        ],
        !named,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return {
    certificatePem: `${certificate.toString("pem")}\n${authority.certificatePem.trim()}\n`,
    privateKeyPem: `${await privatePem(keys.privateKey)}\n`,
    notAfter: notAfter.toISOString(),
    serialNumber,
  };
}
