/** Looks up a recipient of ours, with and without the detail of a sub-address. */
import type { Directory } from "../directory/directory.ts";
import { type LocalRules, localRecipient } from "../policy/local-recipient.ts";
import type { RecipientAnswer } from "../policy/recipient.ts";
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
