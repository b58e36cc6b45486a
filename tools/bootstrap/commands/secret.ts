/** Puts a secret into the stack file, encrypted, as `pulumi config set --secret` does, by the Pulumi of this checkout. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { NAMESPACE, SECRET_KEYS } from "../../../stacks/check-config.ts";
import type { Context } from "../context.ts";
import { Fault } from "../fault.ts";
import { openPulumi } from "../session.ts";
import { changeShared } from "../stack.ts";
import { putSecret, secretOf } from "../stack-file.ts";

export interface SecretOptions {
  readonly stack: string;
  /** Without the namespace. */
  readonly name: string;
  /** Undefined: typed, or on standard input. */
  readonly value?: string | undefined;
}

/** Encrypts the value, and writes it into the stack file in the place of any other. */
export async function secret(
  context: Context,
  { stack: stackName, name, value }: SecretOptions,
): Promise<void> {
  if (!SECRET_KEYS.some((key) => key === name))
    throw new Fault(
      `${name || "Nothing"} is no secret of a stack.`,
      `Name one of ${SECRET_KEYS.join(", ")}.`,
    );
  const given = (value ?? (await ask(context, name))).replace(/\r?\n$/, "");
  if (given === "") throw new Fault("There is no value.", "Type it, or hand it over on standard input.");
  const { stack, pulumi } = await openPulumi(context, stackName);
  const key = `${NAMESPACE}:${name}`;
  const target = ["--stack", stack.name, "--config-file", stack.configFile];
  // On its standard input: everybody on the machine sees arguments.
  await pulumi.query(["config", "set", "--secret", key, ...target], given);
  const { name: file } = stack.committed;
  const secure = secretOf(readFileSync(stack.configFile, "utf8"), key);
  changeShared(join(context.root, file), (text) => putSecret({ name: file, text }, key, secure));
  context.say.done(`${key} in ${file}`, "encrypted; it counts from the next update on");
}

async function ask({ signal }: Context, name: string): Promise<string> {
  if (!process.stdin.isTTY) return text(process.stdin);
  process.stdout.write(`${name} (not shown): `);
  const mute = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: mute, terminal: true });
  try {
    return await terminal.question("", { signal });
  } finally {
    terminal.close();
    process.stdout.write("\n");
  }
}
