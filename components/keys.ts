import { createHash, createHmac } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { type FrontIdentity, frontAuthority, frontIdentity } from "./front-identity.ts";
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
  /** Whether there is a password for snapshots. */
  backup: boolean;
  /** How many people had a uid before who has it now. */
  formerHolders: ReadonlyMap<string, number>;
  ipAddresses: string[];
  /** The keys for DKIM, by number. */
  dkim: readonly DkimKeyArgs[];
  /** Whether a public authority issues certificates: for a key that stays, to an account of its own. */
  acme: boolean;
  protect: boolean;
}

/** Services that bring mail into boxes. */
export type FrontService = "smtp-in" | "smtp-out";

export interface DkimKeyArgs {
  readonly key: number;
  /** Whether there is an Ed25519 key beside the RSA one. */
  readonly ed25519: boolean;
  /** Whether it may not be deleted, where the stack protects what it has. */
  readonly guarded: boolean;
}

/** A number's keys. */
export interface DkimPair {
  readonly rsa: KeyPair;
  readonly ed25519: KeyPair | undefined;
}

/** The stack's certificate authority and certificate, DKIM keys and secrets. */
export class Keys extends pulumi.ComponentResource {
  readonly caPem: pulumi.Output<string>;
  /** Certificate chain and key of the public services. */
  readonly tls: { certificate: pulumi.Output<string>; key: pulumi.Output<string> };
  /** What a public authority issues certificates for, and the key of the account there. */
  readonly acme: { readonly host: KeyPair; readonly account: KeyPair } | undefined;
  readonly dkim: ReadonlyMap<number, DkimPair>;
  readonly directoryAdmin: pulumi.Output<string>;
  readonly relay: pulumi.Output<string>;
  /** What the portal hands its test mails to smtp-out with. */
  readonly portalRelay: pulumi.Output<string> | undefined;
  /** What access shows smtp-out's login guard. */
  readonly loginGuard: pulumi.Output<string>;
  /** What the reverse-paths of forwarded mail are made of. */
  readonly srs: pulumi.Output<string>;
  /** What snapshots are encrypted with: also those of a backup that is switched off. */
  readonly backup: pulumi.Output<string> | undefined;
  readonly dnsToken: pulumi.Output<string>;
  /** What the boxes' passwords are derived from, in hexadecimal. */
  readonly boxSeed: pulumi.Output<string>;
  readonly servicePasswords: Readonly<
    Record<"smtp-in" | "smtp-out" | "access", pulumi.Output<string>> & { portal?: pulumi.Output<string> }
  >;
  /** Certificate of the authority of the front services: base64 of its DER form. Public. */
  readonly frontCa: pulumi.Output<string>;
  private readonly personSeed: pulumi.Output<string>;
  private readonly formerHolders: ReadonlyMap<string, number>;

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
    const secret = (id: string, opts: pulumi.CustomResourceOptions = kept) =>
      new RandomSecret(`${name}-${id}`, { format: "hex" }, opts).value;
    // Not protected either: a portal that is switched off takes them along, and another gets others.
    const ofPortal = { parent: this };
    this.caPem = ca.certificatePem;
    this.tls = { certificate: certificate.certificatePem, key: certificate.privateKeyPem };
    this.dkim = new Map(args.dkim.map((each) => [each.key, this.dkimPair(name, each, args.protect)]));
    this.directoryAdmin = secret("directory-admin");
    this.relay = secret("relay");
    this.portalRelay = args.portal ? secret("portal-relay", ofPortal) : undefined;
    this.srs = secret("srs");
    this.dnsToken = secret("dns-token");
    this.backup = args.backup ? secret("backup") : undefined;
    this.boxSeed = secret("boxes");
    this.frontCa = pulumi.unsecret(this.boxSeed.apply(frontAuthority));
    this.personSeed = secret("people");
    this.formerHolders = args.formerHolders;
    const access = secret("access");
    this.loginGuard = access.apply(loginGuardSecret);
    this.servicePasswords = {
      "smtp-in": secret("smtp-in"),
      "smtp-out": secret("smtp-out"),
      access,
      ...(args.portal ? { portal: secret("portal", ofPortal) } : {}),
    };
    this.registerOutputs({ caPem: this.caPem });
  }

  private dkimPair(name: string, { key, ed25519, guarded }: DkimKeyArgs, protect: boolean): DkimPair {
    // The first key's resources are called as they were when there was no other.
    const id = key === 1 ? `${name}-dkim` : `${name}-dkim-${key}`;
    const opts = { parent: this, protect: protect && guarded };
    return {
      rsa: new KeyPair(id, { algorithm: "rsa-2048" }, opts),
      ed25519: ed25519 ? new KeyPair(`${id}-ed25519`, { algorithm: "ed25519" }, opts) : undefined,
    };
  }

  /** The password that a new person's entry starts with. Derived, so that a thousand people cost no more resources. */
  initialPassword({ uid, mailboxId }: { uid: string; mailboxId: string }): pulumi.Output<string> {
    const former = this.formerHolders.get(uid) ?? 0;
    // No id of a mailbox has that sign.
    const person = former === 0 ? mailboxId : `${mailboxId}#${former}`;
    return this.personSeed.apply((seed) => initialPassword(seed, person));
  }

  /** The certificate by which a front service enters the boxes, and its key. Secret. */
  boxDoor(service: FrontService): pulumi.Output<FrontIdentity> {
    return this.boxSeed.apply((seed) => frontIdentity(seed, service));
  }

  /** What a box checks the front's password against; it never holds the password itself. */
  boxPasswordHash(uid: string): pulumi.Output<string> {
    return this.boxSeed.apply((seed) => boxPasswordHash(seed, uid));
  }
}

/** Letters and digits that are not mistaken for each other when read out or typed. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";

/** 20 characters of `ALPHABET` in groups of five: 99 bits, from HMAC-SHA-256 of who the person is. */
export function initialPassword(seed: string, person: string): string {
  const digest = createHmac("sha256", Buffer.from(seed, "hex"))
    .update(`initial password of ${person}`)
    .digest();
  const chars = [...digest.subarray(0, 20)].map((byte) => ALPHABET[byte % ALPHABET.length]);
  return [0, 5, 10, 15].map((start) => chars.slice(start, start + 5).join("")).join("-");
}

/** Derived from what only access has, which smtp-out does not find in it. */
function loginGuardSecret(access: string): string {
  return createHmac("sha256", access).update("login guard").digest("hex");
}

/** SHA-256, in hexadecimal, of the password by which the access front logs in to the box of `uid`. */
export function boxPasswordHash(seed: string, uid: string): string {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  return hash(hash(seed + uid));
}
