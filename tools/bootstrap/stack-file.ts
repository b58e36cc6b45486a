import { isMap, parseDocument } from "yaml";
import { Fault } from "./fault.ts";

/** The keys that Pulumi itself writes into a stack file when a stack is made. */
const SECRETS_KEYS = ["secretsprovider", "encryptedkey", "encryptionsalt"] as const;

function topLevel(text: string, name: string): Map<string, string> {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error)
    throw new Fault(`${name} is not valid YAML: ${error.message}`, "Correct it, then run this again.");
  const found = new Map<string, string>();
  if (!isMap(document.contents)) return found;
  for (const key of SECRETS_KEYS) {
    const value = document.get(key);
    if (typeof value === "string") found.set(key, value);
  }
  return found;
}

/**
 * The stack file that Pulumi works on: the committed one, plus the keys that Pulumi made when the stack was
 * initialised. Those come from `kept`, so that the committed file stays as its author wrote it. A file that names
 * its own secrets provider is taken as it is.
 */
export function mergeStackFile(committed: { name: string; text: string }, kept: string | undefined): string {
  if (topLevel(committed.text, committed.name).size > 0 || kept === undefined) return committed.text;
  const lines = [...topLevel(kept, "the kept stack file")].map(
    ([key, value]) => `${key}: ${JSON.stringify(value)}\n`,
  );
  const gap = committed.text === "" || committed.text.endsWith("\n") ? "" : "\n";
  return committed.text + gap + lines.join("");
}

/** True when Pulumi's own keys are in it, i.e. a stack was initialised with it. */
export function hasSecretsKeys(text: string): boolean {
  return topLevel(text, "the kept stack file").size > 0;
}

/** The encrypted value of `key` in a stack file. */
export function secretOf(text: string, key: string): string {
  const value: unknown = parseDocument(text).getIn(["config", key, "secure"]);
  if (typeof value === "string") return value;
  throw new Fault(`Pulumi did not encrypt ${key}.`, "See `npm run preview`, then run this again.");
}

/** The stack file with the encrypted value `secure` at `key`; everything else as its author wrote it. */
export function putSecret(committed: { name: string; text: string }, key: string, secure: string): string {
  const document = parseDocument(committed.text);
  const [error] = document.errors;
  if (error || !isMap(document.get("config")))
    throw new Fault(
      `${committed.name} has no config that can be written to${error ? `: ${error.message}` : ""}.`,
      "Correct it, then run this again.",
    );
  document.setIn(["config", key], document.createNode({ secure }));
  return document.toString({ lineWidth: 0 });
}

/** Stack names as Pulumi and Docker names both take them. */
export function checkStackName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) return name;
  throw new Fault(
    `"${name}" can't be the name of a stack.`,
    "Use 1 to 31 of a-z, 0-9 and -, a letter or digit first: the names of containers begin with it.",
  );
}
