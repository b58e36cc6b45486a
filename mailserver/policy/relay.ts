/**
 * Who may send what through smtp-out. Pure: everything is decided from facts, so that one table can show that no
 * combination of them makes an open relay.
 */
import { reply } from "../smtp/replies.ts";
import type { Reply } from "../smtp/types.ts";
import { type DetailRules, ownAddress } from "./own-address.ts";

/** `submission` is public; `relay` is for our own services, on the internal network. */
export type Listener = "submission" | "relay";

/** Who has authenticated. */
export type Identity =
  | { readonly kind: "nobody" }
  | { readonly kind: "person"; readonly uid: string; readonly addresses: readonly string[] }
  /** Another daemon of ours, with the relay password. */
  | { readonly kind: "service" }
  /** The portal, which has a word for its own people and for nobody else, from one of these addresses. */
  | { readonly kind: "portal"; readonly addresses: readonly string[] };

export interface SenderFacts extends DetailRules {
  readonly listener: Listener;
  readonly tls: boolean;
  readonly identity: Identity;
  /** The reverse-path, lower case; null is `<>`. */
  readonly from: string | null;
}

export interface RecipientFacts extends SenderFacts {
  readonly recipient: "foreign" | "box" | "absent";
}

/** Whom a message names as its authors. */
export type Authors =
  | {
      readonly kind: "clear";
      /** `local@domain`, lower case, not quoted, domains as A-labels; in the order of the From field. */
      readonly from: readonly string[];
      /** Those of the other fields, with the field's name. */
      readonly others: readonly { readonly field: string; readonly address: string }[];
    }
  /** There are no From fields, or several. */
  | { readonly kind: "missing" }
  /** A reader may take somebody else for the author than another reader does. */
  | { readonly kind: "unclear"; readonly field: string };

export type Verdict = { readonly kind: "accept" } | { readonly kind: "refuse"; readonly reply: Reply };

const ACCEPT: Verdict = { kind: "accept" };
const refuse = (of: Reply): Verdict => ({ kind: "refuse", reply: of });

const NEED_TLS = reply(530, "5.7.0", "Use STARTTLS first: this server takes no mail in clear text");
const NEED_AUTH = reply(530, "5.7.0", "Log in first: this server takes mail from its own people only");
const WRONG_SENDER = reply(
  553,
  "5.7.1",
  "This sender address is not yours: send from one of your own addresses",
);
const OWN_PEOPLE = reply(
  550,
  "5.7.1",
  "The portal may write to people with a mailbox here, and to nobody else",
);
const NO_SUCH_PERSON = reply(550, "5.1.1", "No mailbox with this address here: check the spelling");
const wrongAuthor = (field: string): Reply =>
  reply(550, "5.7.1", `The ${field} address is not yours: send from one of your own addresses`);
const unclearAuthor = (field: string): Reply =>
  reply(550, "5.6.0", `The ${field} field can be misread: write it as in Alice <alice@example.org>`);
const NO_FROM = reply(550, "5.6.0", "The message needs exactly one From field with an address");

/** May this reverse-path be used? */
export function decideSender({ listener, tls, identity, from, ...details }: SenderFacts): Verdict {
  if (listener === "submission" && !tls) return refuse(NEED_TLS);
  if (identity.kind === "nobody") return refuse(NEED_AUTH);
  // Each listener has its own kind of users; a relay password is worth nothing in public, and a person's not inside.
  if ((listener === "submission") !== (identity.kind === "person")) return refuse(NEED_AUTH);
  if (identity.kind === "service") return ACCEPT;
  // Nobody is to answer what the portal sends, so there is no address that it could take.
  if (identity.kind === "portal") return from === null ? ACCEPT : refuse(WRONG_SENDER);
  // The null reverse-path is what a read receipt has (RFC 8098 section 3); its From is checked all the same.
  if (from === null) return ACCEPT;
  return ownAddress(from, identity.addresses, details) ? ACCEPT : refuse(WRONG_SENDER);
}

/** May mail go to this recipient? Only where the sender may send at all. */
export function decideRecipient(facts: RecipientFacts): Verdict {
  const sender = decideSender(facts);
  if (sender.kind === "refuse") return sender;
  if (facts.recipient === "absent") return refuse(NO_SUCH_PERSON);
  return facts.identity.kind === "portal" && facts.recipient === "foreign" ? refuse(OWN_PEOPLE) : ACCEPT;
}

/** May a message that names these authors go out? */
export function decideHeader(identity: Identity, authors: Authors, details: DetailRules): Verdict {
  if (identity.kind === "nobody") return refuse(NEED_AUTH);
  // Forwarded mail keeps its author.
  if (identity.kind === "service") return ACCEPT;
  if (authors.kind === "missing") return refuse(NO_FROM);
  if (authors.kind === "unclear") return refuse(unclearAuthor(authors.field));
  const stranger = [...authors.from.map((address) => ({ field: "From", address })), ...authors.others].find(
    ({ address }) => !ownAddress(address, identity.addresses, details),
  );
  return stranger === undefined ? ACCEPT : refuse(wrongAuthor(stranger.field));
}
