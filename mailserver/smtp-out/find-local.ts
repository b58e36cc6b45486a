/** Looks up a recipient of ours, with and without the detail of a sub-address. */
import type { Directory } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import { type LocalRules, localRecipient } from "../policy/local-recipient.ts";
import type { RecipientAnswer } from "../policy/recipient.ts";
import { fitsDns, parseEnvelopeAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";
import type { Forward } from "./places.ts";

export interface LookupDeps {
  readonly directory: Pick<Directory, "findRecipient">;
  readonly rules: LocalRules;
}

/** Throws DirectoryUnavailable, as the directory does. */
export async function findLocal(
  directory: Pick<Directory, "findRecipient">,
  address: Pick<Address, "local" | "domain">,
  rules: LocalRules,
): Promise<RecipientAnswer> {
  const local = localRecipient({ ...address, text: "" }, rules);
  for (const candidate of local.kind === "ours" ? local.candidates : []) {
    const answer = await directory.findRecipient(candidate);
    if (answer.kind === "box") return answer;
  }
  return { kind: "absent" };
}

/** Whose of our people an address is; undefined when nobody's. Throws as `findLocal`. */
export async function holderOf(
  address: Address,
  { directory, rules }: LookupDeps,
): Promise<string | undefined> {
  if (!rules.domains.includes(address.domain)) return undefined;
  const answer = await findLocal(directory, address, rules);
  return answer.kind === "box" ? answer.uid : undefined;
}

/** Who it is, and where mail for them goes as well. Throws as `findLocal`. */
export async function wayOf(
  answer: RecipientAnswer,
  deps: LookupDeps & { readonly log: Pick<Log, "warn"> },
): Promise<{ readonly holder?: string; readonly forward?: Forward }> {
  if (answer.kind === "absent") return {};
  const address = forwardOf(answer, deps.log);
  if (address === undefined) return { holder: answer.uid };
  return { holder: answer.uid, forward: { address, holder: await holderOf(address, deps) } };
}

/** One that is no address must not cost them their own copy. */
function forwardOf(
  { uid, forward: text }: Exclude<RecipientAnswer, { kind: "absent" }>,
  log: Pick<Log, "warn">,
): Address | undefined {
  if (text === undefined) return undefined;
  const forward = parseEnvelopeAddress(text);
  if (forward !== undefined && fitsDns(forward)) return forward;
  log.warn("forward.failed", { for: uid, to: text });
  return undefined;
}
