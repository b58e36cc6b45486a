/** The operations of RandomSecret; loaded by the shim when one runs. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, Inputs, shape, write } from "./diff.ts";

/** Validates and fills in defaults. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says whether a new secret is needed. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Makes the secret. The id is independent of it: ids are shown in clear. */
export async function create(props: Props) {
  const inputs = Inputs.parse(props);
  return { id: randomUUID(), outs: { ...inputs, value: write(randomBytes(inputs.bytes), inputs.format) } };
}
