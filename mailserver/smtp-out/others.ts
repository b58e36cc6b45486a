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

/** Addresses that one message may name with a detail; each costs a question, and none of it counts for a sending limit. */
const MOST = 20;
const TOO_MANY = reply(
  550,
  "5.7.1",
  `The message names more than ${MOST} sub-addresses of yours in From, Sender and Resent fields`,
);
const LOOKUP_FAILED = reply(451, "4.4.3", "Your sender address can't be looked up now: try again later");

/** `used`: as the message names them, lower case. Throws SmtpError when that can't be known now, or there are too many. */
export async function othersAmong(
  used: readonly string[],
  identity: Identity,
  { directory, tagSeparator }: OthersDeps,
): Promise<ReadonlySet<string>> {
  const others = new Set<string>();
  if (identity.kind === "nobody" || identity.kind === "service") return others;
  const uid = identity.kind === "person" ? identity.uid : undefined;
  const asked = new Set(used.flatMap((address) => inQuestion(address, identity.addresses, tagSeparator)));
  if (asked.size > MOST) throw new SmtpError(TOO_MANY);
  for (const address of asked) {
    const found = await directory.findRecipient(address).catch(failed);
    if (found.kind === "box" && found.uid !== uid) others.add(address);
  }
  return others;
}

function failed(error: unknown): never {
  throw error instanceof DirectoryUnavailable ? new SmtpError(LOOKUP_FAILED, error) : error;
}
