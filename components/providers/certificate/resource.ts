import * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a CertificateAuthority. */
export interface CertificateAuthorityArgs {
  /** The name that people see in a certificate viewer. */
  commonName: pulumi.Input<string>;
  /** Lifetime; default 3650. */
  days?: pulumi.Input<number>;
  /** The next update renews it, with the same key, when so few days are left; default 180. */
  renewBeforeDays?: pulumi.Input<number>;
}

/** Arguments of a Certificate. */
export interface CertificateArgs {
  /** The issuing authority's certificate and private key (secret). */
  caCertificatePem: pulumi.Input<string>;
  caPrivateKeyPem: pulumi.Input<string>;
  /** The hosts' names; the first is also the subject. */
  dnsNames: pulumi.Input<pulumi.Input<string>[]>;
  ipAddresses?: pulumi.Input<pulumi.Input<string>[]>;
  /** The key that it is for, kept when it is renewed: ECDSA P-256, PKCS #8 PEM, secret. Default: a new one each time. */
  keyPem?: pulumi.Input<string>;
  /** Lifetime; default 90. */
  days?: pulumi.Input<number>;
  /** The next update renews it when so few days are left; default 30. */
  renewBeforeDays?: pulumi.Input<number>;
}

const authorityProvider = shim("components/providers/certificate/authority.ts");
const certificateProvider = shim("components/providers/certificate/crud.ts");
const outputs = { certificatePem: undefined, privateKeyPem: undefined, notAfter: undefined };

/** A certificate authority of the stack's own: ECDSA P-256, self-signed, issues end-entity certificates only. */
export class CertificateAuthority extends ShimResource {
  declare readonly certificatePem: pulumi.Output<string>;
  /** PKCS #8 PEM; secret. */
  declare readonly privateKeyPem: pulumi.Output<string>;
  /** ISO 8601. */
  declare readonly notAfter: pulumi.Output<string>;

  constructor(name: string, args: CertificateAuthorityArgs, opts: pulumi.CustomResourceOptions = {}) {
    const secret = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["privateKeyPem"] });
    super(authorityProvider, name, { ...args, ...outputs }, secret, "CertificateAuthority");
  }
}

/** A server's certificate with a key of its own: ECDSA P-256. Renewed, with a new key, by the update that finds it due. */
export class Certificate extends ShimResource {
  /** The certificate, then the authority's. */
  declare readonly certificatePem: pulumi.Output<string>;
  /** PKCS #8 PEM; secret. */
  declare readonly privateKeyPem: pulumi.Output<string>;
  /** ISO 8601. */
  declare readonly notAfter: pulumi.Output<string>;

  constructor(name: string, args: CertificateArgs, opts: pulumi.CustomResourceOptions = {}) {
    const secret = pulumi.mergeOptions(opts, {
      additionalSecretOutputs: ["privateKeyPem", "caPrivateKeyPem", "keyPem"],
    });
    const { keyPem } = args;
    const inputs = {
      ...args,
      caPrivateKeyPem: pulumi.secret(args.caPrivateKeyPem),
      ...(keyPem === undefined ? {} : { keyPem: pulumi.secret(keyPem) }),
    };
    super(certificateProvider, name, { ...inputs, ...outputs }, secret, "Certificate");
  }
}
