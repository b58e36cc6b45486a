/** The stack file of a trial: the same system on one machine, without a secret. Pure. */
import { isMap, parseDocument, type YAMLMap } from "yaml";
import { readHost } from "../../stacks/check-config.ts";
import { Fault } from "./fault.ts";

/** What Pulumi writes into a stack file that it encrypts values of. */
const SECRETS_KEYS = ["secretsprovider", "encryptedkey", "encryptionsalt"];
/** Ports that no other stack of a usual machine has. */
const PORTS = {
  smtp: 3525,
  submission: 3587,
  submissions: 3465,
  imap: 3143,
  imaps: 3993,
  sieve: 3419,
  ldap: 3389,
  dnsApi: 3053,
};
const NOBODY =
  "config:\n  semail:users:\n    alice:\n      name: Alice Martin\n    bob:\n      name: Bob Durand\n";

/** The trial `name`, like the stack file of that text; without one, a domain of its own and two people. */
export function trialConfig(name: string, like: { name: string; text: string } | undefined): string {
  const document = parseDocument(like?.text ?? NOBODY, { merge: true });
  const config = document.get("config");
  const [error] = document.errors;
  if (error || !isMap(config))
    throw new Fault(
      `${like?.name} has no config that can be read${error ? `: ${error.message}` : ""}.`,
      "Correct it, then run this again.",
    );
  for (const key of SECRETS_KEYS) document.delete(key);
  dropSecrets(config);
  config.set("semail:domain", config.get("semail:domain") ?? `${name}.test`);
  // `protect` and `keepVolumes` stay as they are: the preview has to say what they would. `down --purge` heeds neither.
  config.set("semail:ports", document.createNode(PORTS));
  config.delete("semail:showPasswords");
  // What the records say stays; what is published on is this machine alone.
  change(config, "semail:host", recordedAddresses);
  change(config, "semail:dns", ({ apiUrl: _, ...dns }) => ({ ...dns, provider: "dev" }));
  // The operator writes stack files and runs updates: not for code that is under review.
  config.delete("semail:portal");
  // A public authority can't see the trial's name server, and counts what it is asked in vain.
  config.delete("semail:certificates");
  return `# Written by \`npm run trial\`; thrown away with the stack.\n${document.toString()}`;
}

/** What the records say of the host, wherever it is. */
function recordedAddresses(host: Record<string, unknown>): Record<string, unknown> {
  const { address, address6 } = readHost({ host })?.plan ?? host;
  return {
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
  };
}

function change(
  config: YAMLMap,
  key: string,
  next: (value: Record<string, unknown>) => Record<string, unknown>,
): void {
  const node = config.get(key);
  const value = isMap(node) ? (node.toJSON() as Record<string, unknown>) : {};
  config.set(key, next(value));
}

/** Takes out every value that `npm run secret` wrote: nothing here can read it. */
function dropSecrets(map: YAMLMap): void {
  for (const { key, value } of [...map.items]) {
    if (!isMap(value)) continue;
    if (value.has("secure")) map.delete(key);
    else dropSecrets(value);
  }
}
