/** What a person's request means for the config, and what they may see of it. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { AddressView, PersonRequest, PersonView, RequestView } from "../mailserver/operator/protocol.ts";
import { domainOf, isAddress, isForward } from "../stacks/address.ts";
import { keptUntil } from "../stacks/mailboxes/plan.ts";
import { addressesOf, buildModel } from "../stacks/model.ts";
import type { StackConfig, UserConfig } from "../stacks/schema.ts";
import { Refusal } from "./refusal.ts";
import type { UserEdit } from "./stack-file.ts";

/** The names of containers don't matter here. */
const ANY = { project: "any", stack: "any" };

/** RFC 2142, and names by which a stranger could pass for the administration. */
const RESERVED = new Set(
  (
    "postmaster abuse hostmaster webmaster noc security root admin administrator mailer-daemon daemon " +
    "nobody noreply no-reply info support sales marketing www ftp news usenet uucp ssladmin sslwebmaster"
  ).split(" "),
);

/** Who asks, what the config says, and which day it is (`YYYY-MM-DD`). */
export interface Facts {
  readonly config: StackConfig;
  readonly today: string;
}

function find(config: StackConfig, uid: string): UserConfig {
  const user = Object.hasOwn(config.users, uid) ? config.users[uid] : undefined;
  if (!user) throw new Refusal("unknown-person", `There is no ${uid} in the config.`);
  return user;
}

/** Addresses by holder; a mailbox that was given up keeps its own. */
function claims(config: StackConfig): Map<string, string> {
  return new Map(
    Object.entries(config.users).flatMap(([uid, user]) =>
      user.state === "none"
        ? []
        : addressesOf(uid, user, config.domain).map((address): [string, string] => [address, uid]),
    ),
  );
}

/** Whether an address can be had by that person. */
export function viewAddress({ config }: Facts, uid: string, text: string): AddressView {
  const address = text.trim().toLowerCase();
  const refused = (reason: AddressView["reason"]): AddressView => ({ free: false, reason });
  if (!isAddress(address)) return refused("malformed");
  if (domainOf(address) !== config.domain) return refused("foreign");
  const taken = claims(config);
  const local = address.slice(0, address.lastIndexOf("@"));
  // Another's login name is theirs, with a mailbox or without.
  if (taken.has(address) || (local !== uid && Object.hasOwn(config.users, local))) return refused("taken");
  if (RESERVED.has(local) || isForm(config, { local, uid }, taken)) return refused("reserved");
  return { free: true, reason: null };
}

/**
 * With `-` between name and detail, mail to `alice-shop@` is alice's, and she may write as that. So nobody gets it beside
 * her, nor an address of which another's, or one that is kept, would be such a form. Their own login name is theirs all the
 * same: who chose it knew the others.
 */
function isForm(
  { smtpIn: { tagSeparator }, domain, users }: StackConfig,
  { local, uid }: { readonly local: string; readonly uid: string },
  taken: ReadonlyMap<string, string>,
): boolean {
  if (tagSeparator === "" || local === uid) return false;
  const held = [...taken].filter(([address, holder]) => holder !== uid && domainOf(address) === domain);
  const others = [
    ...held.map(([address]) => address.slice(0, address.lastIndexOf("@"))),
    ...Object.keys(users).filter((login) => login !== uid),
  ];
  return (
    others.some((name) => local.startsWith(name + tagSeparator)) ||
    [...others, ...RESERVED].some((name) => name.startsWith(local + tagSeparator))
  );
}

const WHY: Readonly<Record<NonNullable<AddressView["reason"]>, string>> = {
  taken: "somebody has it already, or is called so",
  reserved: "it is kept for the administration, or it and somebody's address are forms of each other",
  malformed: "it is no address that this system can have",
  foreign: "its domain is not served here",
};

function claim(facts: Facts, uid: string, address: string): void {
  const { reason } = viewAddress(facts, uid, address);
  if (reason !== null) throw new Refusal("address-taken", `${address} can't be had: ${WHY[reason]}.`);
}

/** Without it, the forward of another would lead to nobody, which the config may not say. */
function release({ config }: Facts, address: string): void {
  if (Object.values(config.users).some(({ forward }) => forward === address))
    throw new Refusal("alias-forwarded-to", `Somebody has their mail forwarded to ${address}.`);
}

function requireState(user: UserConfig, state: UserConfig["state"], what: string): void {
  if (user.state !== state)
    throw new Refusal(
      "wrong-state",
      `${what} is for people with the state ${state}; theirs is ${user.state}.`,
    );
}

/** The edit of the person's entry; throws a Refusal. A restart edits nothing. */
export function decide(facts: Facts, request: PersonRequest): UserEdit {
  const { config, today } = facts;
  const user = find(config, request.uid);
  switch (request.kind) {
    case "create": {
      requireState(user, "none", "Making a mailbox");
      claim(facts, request.uid, request.address);
      const implied = request.address === `${request.uid}@${config.domain}`;
      return { state: undefined, addresses: implied ? undefined : [request.address] };
    }
    case "update":
      requireState(user, "active", "Changing a mailbox");
      return update(facts, user, request);
    case "delete":
      requireState(user, "active", "Giving a mailbox up");
      return { state: "deleted", deletedOn: today };
    case "cancel-delete": {
      requireState(user, "deleted", "Taking a mailbox back");
      const until = takenBackUntil(config, user);
      if (until === null || until < today)
        throw new Refusal(
          "wrong-state",
          `The mailbox can${until === null ? "'t be taken back" : ` be taken back until ${until}`}. Ask an administrator.`,
        );
      return { state: undefined, deletedOn: undefined };
    }
    case "restart":
      requireState(user, "active", "Restarting a box");
      return {};
  }
}

function update(
  facts: Facts,
  user: UserConfig,
  { uid, aliases, forward }: Extract<PersonRequest, { kind: "update" }>,
): UserEdit {
  const edit: { aliases?: string[]; forward?: string | undefined } = {};
  if (aliases !== undefined) {
    edit.aliases = [...new Set(aliases)];
    requireAliases(facts, uid, { had: user.aliases, wanted: edit.aliases });
  }
  if (forward !== undefined) {
    if (forward !== null && forward !== user.forward) requireForward(facts, uid, forward);
    edit.forward = forward ?? undefined;
  }
  return edit;
}

function requireAliases(
  facts: Facts,
  uid: string,
  { had, wanted }: { had: readonly string[]; wanted: readonly string[] },
): void {
  const added = wanted.filter((address) => !had.includes(address));
  const { aliasLimit } = facts.config.portal;
  // Who was given more by an administrator may keep them.
  if (added.length > 0 && wanted.length > aliasLimit)
    throw new Refusal(
      "alias-limit",
      `${wanted.length} aliases are more than the ${aliasLimit} that one may have.`,
    );
  for (const address of added) claim(facts, uid, address);
  for (const address of had) if (!wanted.includes(address)) release(facts, address);
}

/** Mail goes on to an address abroad, or to one that somebody else here has a mailbox for. */
function requireForward({ config }: Facts, uid: string, forward: string): void {
  if (!isForward(forward))
    throw new Refusal("forward-malformed", `${forward} is no address that mail could be forwarded to.`);
  const { people } = buildModel(config, ANY);
  const holder = people.find(({ addresses }) => addresses.includes(forward));
  if (holder?.uid === uid)
    throw new Refusal("forward-own", `${forward} is their own address: mail would go round.`);
  if (!holder && [config.domain, ...config.domains].includes(domainOf(forward)))
    throw new Refusal("forward-nobody", `Nobody here has a mailbox with the address ${forward}.`);
}

/** The last day on which a mailbox that was given up can be taken back; without a retention there is none. */
function takenBackUntil({ retention }: StackConfig, { deletedOn }: UserConfig): string | null {
  return deletedOn === undefined || retention === 0 ? null : keptUntil(deletedOn, retention);
}

/** A person as the portal shows them; `pending` is what was asked for them and isn't over. */
export function viewPerson(
  { config }: Facts,
  uid: string,
  pending?: Pick<RequestView, "id" | "kind">,
): PersonView {
  const found = find(config, uid);
  // What the file says already isn't there before the update has come to its end.
  const user: UserConfig = pending?.kind === "create" ? { ...found, state: "none" } : found;
  return {
    uid,
    name: user.name,
    state: user.state,
    addresses: user.state === "none" ? [] : (user.addresses ?? [`${uid}@${config.domain}`]),
    aliases: user.aliases,
    aliasLimit: config.portal.aliasLimit,
    forward: user.forward ?? null,
    quota: user.quota ?? config.defaults.quota,
    deletedOn: user.deletedOn ?? null,
    keptUntil: takenBackUntil(config, user),
    retentionDays: config.retention,
    domains: [config.domain],
    pending: pending?.id ?? null,
  };
}

/** Addresses that a request asks for. */
export function addressesIn(request: PersonRequest): string[] {
  if (request.kind === "create") return [request.address];
  return request.kind === "update" ? (request.aliases ?? []) : [];
}

/** Refuses a config that would change anything for others, such as who is postmaster. */
export function requireOnlyTheirs(uid: string, before: StackConfig, after: StackConfig): void {
  const others = (config: StackConfig) => {
    const model = buildModel(config, ANY);
    return { ...model, people: model.people.filter((person) => person.uid !== uid) };
  };
  const [old, now] = [others(before), others(after)];
  const fault = (what: string) => new Refusal("needs-administrator", `That would change ${what}.`);
  if (!isDeepStrictEqual(now.people, old.people))
    throw fault(
      "who gets the mail to postmaster@ and abuse@: an administrator must set semail:postmaster first",
    );
  if (!isDeepStrictEqual(now.smtpIn, old.smtpIn))
    throw fault("who gets the mail to addresses that nobody has");
  if (!isDeepStrictEqual(now, old)) throw fault("the stack for others");
}
