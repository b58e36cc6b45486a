/** The operations of Certificate; loaded by the shim when one runs. */
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { CertificateInputs, certificateShape, compareCertificate, lifetimeFailures } from "./diff.ts";
import { issueCertificate } from "./issue.ts";

/** Validates and fills in defaults. */
export async function check(_olds: Props, news: Props) {
  const { inputs, failures } = checkInputs(certificateShape, news);
  return { inputs, failures: [...failures, ...lifetimeFailures(inputs)] };
}

/** Says whether the certificate is to be issued anew. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compareCertificate({ olds, news, now: new Date() });
}

async function issue(props: Props) {
  // The authority's key stays among the inputs: no second copy in the outputs.
  const { caPrivateKeyPem, ...inputs } = CertificateInputs.parse(props);
  const authority = { certificatePem: inputs.caCertificatePem, privateKeyPem: caPrivateKeyPem };
  const { serialNumber, ...issued } = await issueCertificate(authority, { ...inputs, now: new Date() });
  return { serialNumber, outs: { ...inputs, ...issued } };
}

/** Issues the certificate. The id is the first serial number. */
export async function create(props: Props) {
  const { serialNumber, outs } = await issue(props);
  return { id: serialNumber, outs };
}

/** Issues it anew, with a new key unless it was given one. */
export async function update(_id: string, _olds: Props, news: Props) {
  const { outs } = await issue(news);
  return { outs };
}
