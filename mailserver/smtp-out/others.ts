/** Which of the addresses in whose name somebody sends are other people's, although they look like theirs with a detail. */
import type { Directory } from "../directory/directory.ts";
import { inQuestion } from "../policy/own-address.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import type { Identity } from "../policy/relay.ts";
import { SmtpError } from "../smtp/error.ts";
import { reply } from "../smtp/replies.ts";

export interface OthersDeps {
  readonly directory: Pick<Directory, "findRecipient">;
  readonly tagSeparator?: string | undefined;
}

const LOOKUP_FAILED = reply(451, "4.4.3", "Your sender address can't be looked up now: try again later");

/** `used`: as the message names them, lower case. Throws SmtpError when that can't be known now. */
export async function othersAmong(
  used: readonly string[],
  identity: Identity,
  { directory, tagSeparator }: OthersDeps,
): Promise<ReadonlySet<string>> {
  const others = new Set<string>();
  if (identity.kind === "nobody" || identity.kind === "service") return others;
  const uid = identity.kind === "person" ? identity.uid : undefined;
  const asked = used.flatMap((address) => inQuestion(address, identity.addresses, tagSeparator));
  for (const address of new Set(asked)) {
    const found = await directory.findRecipient(address).catch(failed);
    if (found.kind === "box" && found.uid !== uid) others.add(address);
  }
  return others;
}

function failed(error: unknown): never {
  throw error instanceof DirectoryUnavailable ? new SmtpError(LOOKUP_FAILED, error) : error;
}
