/** The operations of CertificateAuthority; loaded by the shim when one runs. */
import { z } from "zod";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { AuthorityInputs, authorityShape, compareAuthority, lifetimeFailures } from "./diff.ts";
import { issueAuthority, renewAuthority } from "./issue.ts";

/** Validates and fills in defaults. */
export async function check(_olds: Props, news: Props) {
  const { inputs, failures } = checkInputs(authorityShape, news);
  return { inputs, failures: [...failures, ...lifetimeFailures(inputs)] };
}

/** Says whether a new authority is needed. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compareAuthority({ olds, news, now: new Date() });
}

/** Makes the authority. The id is its first serial number. */
export async function create(props: Props) {
  const inputs = AuthorityInputs.parse(props);
  const { serialNumber, ...issued } = await issueAuthority(inputs.commonName, inputs.days, new Date());
  return { id: serialNumber, outs: { ...inputs, ...issued } };
}

const Known = z.object({ privateKeyPem: z.string() });

/** Renews it, with the key that it has. */
export async function update(_id: string, olds: Props, news: Props) {
  const inputs = AuthorityInputs.parse(news);
  const { serialNumber: _, ...issued } = await renewAuthority(
    { ...inputs, now: new Date() },
    Known.parse(olds).privateKeyPem,
  );
  return { outs: { ...inputs, ...issued } };
}
