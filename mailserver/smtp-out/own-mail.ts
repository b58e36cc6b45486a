/**
 * What smtp-out writes itself to people of ours goes to where they have their mail, as all other mail for them: into the
 * box and to their forward address. With its null reverse-path nothing comes back from there (RFC 5321 section 6.1), and
 * its signature is ours, so it needs no seal (RFC 8617 vouches for what others wrote).
 */
import type { Directory } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import type { LocalRules } from "../policy/local-recipient.ts";
import type { NewItem, NewRecipient } from "../queue/item.ts";
import { parseEnvelopeAddress } from "../smtp/address.ts";
import { findLocal, wayOf } from "./find-local.ts";
import { type Place, placesOf } from "./places.ts";
import { Recipients } from "./recipients.ts";

export interface OwnMailDeps {
  readonly directory: Pick<Directory, "findRecipient">;
  readonly rules: LocalRules;
  readonly log: Log;
}

/** The item with a recipient for each place. Throws DirectoryUnavailable where that can't be known now. */
export async function toPlaces(item: NewItem, deps: OwnMailDeps): Promise<NewItem> {
  const recipients = new Recipients();
  for (const recipient of item.recipients) {
    for (const place of await places(recipient, deps)) recipients.add(place);
  }
  return { ...item, recipients: recipients.all() };
}

async function places(recipient: NewRecipient, deps: OwnMailDeps): Promise<Place[]> {
  const { directory, rules } = deps;
  const address = parseEnvelopeAddress(recipient.address);
  if (address === undefined || !rules.domains.includes(address.domain)) {
    return [{ ...recipient, place: `${recipient.destination} ${recipient.address}` }];
  }
  const way = await wayOf(await findLocal(directory, address, rules), deps);
  const { notify, orcpt } = recipient;
  return placesOf({ address, ...(notify && { notify }), ...(orcpt && { orcpt }) }, way, rules.domains);
}
