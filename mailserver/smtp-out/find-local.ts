/** Looks up a recipient of ours, with and without the detail of a sub-address. */
import type { Directory } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import { type LocalRules, localRecipient } from "../policy/local-recipient.ts";
import type { RecipientAnswer } from "../policy/recipient.ts";
import { fitsDns, parseEnvelopeAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";

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

/** Where mail for them goes as well; one that is no address must not cost them their own copy. */
export function forwardOf(answer: RecipientAnswer, log: Pick<Log, "warn">): Address | undefined {
  if (answer.kind === "absent" || answer.forward === undefined) return undefined;
  const forward = parseEnvelopeAddress(answer.forward);
  if (forward !== undefined && fitsDns(forward)) return forward;
  log.warn("forward.failed", { for: answer.uid, to: answer.forward });
  return undefined;
}
