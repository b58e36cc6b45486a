/** Looks up a recipient of ours, with and without the detail of a sub-address. */
import type { Directory } from "../directory/directory.ts";
import { localRecipient } from "../policy/local-recipient.ts";
import type { RecipientAnswer } from "../policy/recipient.ts";
import type { Address } from "../smtp/types.ts";

/** Throws DirectoryUnavailable, as the directory does. */
export async function findLocal(
  directory: Directory,
  address: Pick<Address, "local" | "domain">,
  domains: readonly string[],
): Promise<RecipientAnswer> {
  const local = localRecipient({ ...address, text: "" }, domains);
  for (const candidate of local.kind === "ours" ? local.candidates : []) {
    const answer = await directory.findRecipient(candidate);
    if (answer.kind === "box") return answer;
  }
  return { kind: "absent" };
}
