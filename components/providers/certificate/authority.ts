/** The operations of CertificateAuthority; loaded by the shim when one runs. */
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { AuthorityInputs, authorityShape, compareAuthority, lifetimeFailures } from "./diff.ts";
import { issueAuthority } from "./issue.ts";

/** Validates and fills in defaults. */
export async function check(_olds: Props, news: Props) {
  const { inputs, failures } = checkInputs(authorityShape, news);
  return { inputs, failures: [...failures, ...lifetimeFailures(inputs)] };
}

/** Says whether a new authority is needed. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compareAuthority({ olds, news, now: new Date() });
}

/** Makes the authority. The id is its serial number. */
export async function create(props: Props) {
  const inputs = AuthorityInputs.parse(props);
  const { serialNumber, ...issued } = await issueAuthority(inputs.commonName, inputs.days, new Date());
  return { id: serialNumber, outs: { ...inputs, ...issued } };
}
