import { createHash, createHmac } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { Certificate, CertificateAuthority } from "./providers/certificate/resource.ts";
import { KeyPair } from "./providers/key-pair/resource.ts";
import { RandomSecret } from "./providers/random-secret/resource.ts";
import { TYPES } from "./types.ts";

export interface KeysArgs {
  domain: string;
  /** Names and addresses that the certificate of the public services carries. */
  dnsNames: string[];
  /** Whether the portal needs an account of its own. */
  portal: boolean;
  /** Whether snapshots need a password. */
  backup: boolean;
  ipAddresses: string[];
  /** Whether a public authority issues certificates: for a key that stays, to an account of its own. */
  acme: boolean;
  /** Whether there is an Ed25519 key for DKIM as well. */
  dkimEd25519: boolean;
  protect: boolean;
}

/** The stack's certificate authority and certificate, DKIM key and secrets. */
export class Keys extends pulumi.ComponentResource {
  readonly caPem: pulumi.Output<string>;
  /** Certificate chain and key of the public services. */
  readonly tls: { certificate: pulumi.Output<string>; key: pulumi.Output<string> };
  /** What a public authority issues certificates for, and the key of the account there. */
  readonly acme: { readonly host: KeyPair; readonly account: KeyPair } | undefined;
  readonly dkim: KeyPair;
  readonly dkimEd25519: KeyPair | undefined;
  readonly directoryAdmin: pulumi.Output<string>;
  readonly relay: pulumi.Output<string>;
  /** What the reverse-paths of forwarded mail are made of. */
  readonly srs: pulumi.Output<string>;
  /** What snapshots are encrypted with. */
  readonly backup: pulumi.Output<string> | undefined;
  readonly dnsToken: pulumi.Output<string>;
  /** What the boxes' passwords are derived from, in hexadecimal. */
  readonly boxSeed: pulumi.Output<string>;
  readonly servicePasswords: Readonly<
    Record<"smtp-in" | "smtp-out" | "access", pulumi.Output<string>> & { portal?: pulumi.Output<string> }
  >;
  private readonly personSeed: pulumi.Output<string>;

  constructor(name: string, args: KeysArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.keys, name, {}, opts);
    const kept = { parent: this, protect: args.protect };
    const ca = new CertificateAuthority(`${name}-ca`, { commonName: `Semail ${args.domain}` }, kept);
    // Not protected: both can be made anew at any time, and whoever goes back to the stack's own needs neither.
    const pair = (id: string) => new KeyPair(`${name}-${id}`, { algorithm: "ecdsa-p256" }, { parent: this });
    this.acme = args.acme ? { host: pair("host"), account: pair("account") } : undefined;
    const certificate = new Certificate(
      `${name}-tls`,
      {
        caCertificatePem: ca.certificatePem,
        caPrivateKeyPem: ca.privateKeyPem,
        dnsNames: args.dnsNames,
        ipAddresses: args.ipAddresses,
        // So that the TLSA record is true of both certificates.
        ...(this.acme ? { keyPem: this.acme.host.privateKeyPem } : {}),
      },
      { parent: this },
    );
    const secret = (id: string) => new RandomSecret(`${name}-${id}`, { format: "hex" }, kept).value;
    this.caPem = ca.certificatePem;
    this.tls = { certificate: certificate.certificatePem, key: certificate.privateKeyPem };
    this.dkim = new KeyPair(`${name}-dkim`, { algorithm: "rsa-2048" }, kept);
    this.dkimEd25519 = args.dkimEd25519
      ? new KeyPair(`${name}-dkim-ed25519`, { algorithm: "ed25519" }, kept)
      : undefined;
    this.directoryAdmin = secret("directory-admin");
    this.relay = secret("relay");
    this.srs = secret("srs");
    this.dnsToken = secret("dns-token");
    this.backup = args.backup ? secret("backup") : undefined;
    this.boxSeed = secret("boxes");
    this.personSeed = secret("people");
    this.servicePasswords = {
      "smtp-in": secret("smtp-in"),
      "smtp-out": secret("smtp-out"),
      access: secret("access"),
      ...(args.portal ? { portal: secret("portal") } : {}),
    };
    this.registerOutputs({ caPem: this.caPem });
  }

  /** The password that a new person's entry starts with. Derived, so that a thousand people cost no more resources. */
  initialPassword(uid: string): pulumi.Output<string> {
    return this.personSeed.apply((seed) => initialPassword(seed, uid));
  }

  /** What a box checks the front's password against; it never holds the password itself. */
  boxPasswordHash(uid: string): pulumi.Output<string> {
    return this.boxSeed.apply((seed) => boxPasswordHash(seed, uid));
  }
}

/** Letters and digits that are not mistaken for each other when read out or typed. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";

/** 20 characters of `ALPHABET` in groups of five: 99 bits, from HMAC-SHA-256 of the uid. */
export function initialPassword(seed: string, uid: string): string {
  const digest = createHmac("sha256", Buffer.from(seed, "hex")).update(`initial password of ${uid}`).digest();
  const chars = [...digest.subarray(0, 20)].map((byte) => ALPHABET[byte % ALPHABET.length]);
  return [0, 5, 10, 15].map((start) => chars.slice(start, start + 5).join("")).join("-");
}

/** SHA-256, in hexadecimal, of the password by which the access front logs in to the box of `uid`. */
export function boxPasswordHash(seed: string, uid: string): string {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  return hash(hash(seed + uid));
}
